"""The citizen's pages: one's own record on a phone, in plain words. Reads only; what it shows is written elsewhere."""
