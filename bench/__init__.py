"""Measurements of a running node: `python -m bench`. Figures are never tests."""
