"""Discs and sticks of other places: their objects come into the archive for the person whom somebody has chosen."""
