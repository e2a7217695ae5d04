"""What templates of imaging, and of those who show its pictures, may use."""
