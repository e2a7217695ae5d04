"""Violations of personal data: what happened, whom it concerns, and the clock that runs until all are told."""
