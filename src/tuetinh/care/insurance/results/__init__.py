"""What comes back from the insurer: the review line by line, settlements, disputes, what rules would have caught."""
