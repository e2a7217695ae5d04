"""What the insurer knows of visits elsewhere, asked for when a doctor wants to see it; nothing of it is kept."""
