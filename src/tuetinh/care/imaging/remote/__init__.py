"""Pictures at a distance: opinions that are asked of others, looking together, and lines that are slow or break."""
