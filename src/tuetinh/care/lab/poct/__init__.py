"""Point of care: results that a ward or a station measures itself, in one small form, marked as such."""
