"""Patches of a resource: JSON Patch (RFC 6902), XML Patch (RFC 5261), FHIRPath Patch (R4 fhirpatch.html), merge patch
(RFC 7396).

All take and give the JSON of the resource; what comes out is checked by whoever stores it.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from tuetinh.record.errors import Unprocessable
from tuetinh.record.patch import fhirpath_patch, json_patch, merge_patch, xml_patch

JSON_PATCH = "application/json-patch+json"
XML_PATCH = "application/xml-patch+xml"
FHIRPATH_PATCH = "application/fhir+json"
MERGE_PATCH = "application/merge-patch+json"
MEDIA = (JSON_PATCH, MERGE_PATCH, XML_PATCH, FHIRPATH_PATCH, "application/fhir+xml")


class Patch(NamedTuple):
    """A patch as it was sent: its media type (one of MEDIA, XML of FHIR already turned into JSON) and its bytes."""

    media: str
    data: bytes


class _Name(msgspec.Struct):
    resourceType: str = ""
    id: str | None = None


def apply(body: bytes, patch: Patch) -> bytes:
    """The patched resource. Raises BadRequest for what is no patch, Unprocessable for one that does not fit."""
    forms = {JSON_PATCH: json_patch.apply, MERGE_PATCH: merge_patch.apply, XML_PATCH: xml_patch.apply}
    after = forms.get(patch.media, fhirpath_patch.apply)(body, patch.data)
    before = msgspec.json.decode(body, type=_Name)
    try:
        name = msgspec.json.decode(after, type=_Name)
    except msgspec.DecodeError as error:
        message = "the patch leaves no resource"
        raise Unprocessable(message) from error
    for field in ("resourceType", "id"):
        if getattr(before, field) != getattr(name, field):
            message = f"a patch may not change {field}"
            raise Unprocessable(message, f"{before.resourceType}.{field}")
    return after
