"""The insurer's codes of medicines (MA_THUOC) at a facility: which are missing, entered by hand or by its catalogue."""
