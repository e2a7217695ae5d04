"""The door to highdicom, and to the codes of pydicom that it loads too."""

from __future__ import annotations

import highdicom  # noqa: F401  (after the codes, of which it uses parts)
import pydicom.sr  # noqa: F401
