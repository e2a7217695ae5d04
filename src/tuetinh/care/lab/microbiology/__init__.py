"""Cultures at the bench: readings by day, isolates, antibiograms judged by breakpoints that are data, WHONET."""
