"""Pathology: histology, cytology and frozen sections, from the request to the signed report and the archive."""
