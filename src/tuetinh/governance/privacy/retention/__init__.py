"""How long records are kept, and their destruction by a council's decision that a second person confirms."""
