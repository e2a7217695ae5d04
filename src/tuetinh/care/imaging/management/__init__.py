"""Commands of imaging."""
