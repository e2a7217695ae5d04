"""Models that look at pictures: what they say stands beside the pictures, marked as theirs, and never in a report."""
