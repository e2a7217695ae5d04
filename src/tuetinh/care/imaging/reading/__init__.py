"""The reading room: who reads what and next, readings in fields and words, second readings, peers, urgent findings."""
