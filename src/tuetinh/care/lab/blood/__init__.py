"""The blood bank: groups and antibodies, units from reception to the vein, reactions and look-back (TT 26/2013)."""
