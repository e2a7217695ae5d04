"""The citizen's pages: one's own record on a phone, in plain words, and who else may see it.

What they show is written elsewhere; facts of their own are the Consents of the person.
"""
