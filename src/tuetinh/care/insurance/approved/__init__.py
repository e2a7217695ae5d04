"""What the insurer approved for a facility (catalogues 01 to 06/DM of TT 12/2026); claims are checked against it."""
