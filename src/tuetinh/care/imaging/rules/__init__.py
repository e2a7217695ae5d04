"""What imaging goes by: protocols, sheets, checks, reference levels. Rows of `data/`, changed by administrators."""
