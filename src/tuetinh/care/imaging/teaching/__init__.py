"""Pictures for teaching, of which nobody can tell whose they are (PS3.15, Annex E)."""
