"""pydicom as an archive reads with it. Only who takes objects apart imports it: it takes much time and memory."""

from __future__ import annotations

from pydicom import config, dcmread

# Machines write what the standard forbids; the archive keeps what they write.
config.settings.reading_validation_mode = config.IGNORE

__all__ = ["dcmread"]
