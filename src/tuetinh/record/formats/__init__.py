"""Other forms of the same resource: FHIR XML (R4 xml.html), to and from the JSON that the record keeps."""

from __future__ import annotations

from tuetinh.record.formats.safely import XmlRefused
from tuetinh.record.formats.xml_read import read
from tuetinh.record.formats.xml_write import pretty, write

__all__ = ["XmlRefused", "pretty", "read", "write"]
