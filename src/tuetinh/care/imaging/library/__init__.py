"""The door to the libraries of DICOM: whatever uses a part of one goes through here first, which loads it as a whole.

A thread that begins with a part holds that one while it waits for the whole; another one that loads the whole waits for
the part, and the two are given half of it. Here is pydicom, `network` is pynetdicom, `documents` is highdicom; these
two name this one, for Python does not wait for the package of a module that another thread is loading.
"""

from __future__ import annotations

import pydicom  # noqa: F401
