"""What a laboratory did, by day and month: volumes, turn-around times, quality of specimens, calls, costs."""
