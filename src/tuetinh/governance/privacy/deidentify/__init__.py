"""De-identified exports for research and statistics: what is not named is left out, dates are shifted, cells hidden."""
