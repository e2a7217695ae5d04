"""Rules that administrators change: what comes with the house, and what people made of it since."""
