"""The profiles that an Observation of a vital sign must meet, whatever it claims (R4 observation-vitalsigns.html)."""

from __future__ import annotations

from tuetinh.record.fhirpath import Node
from tuetinh.record.profiles.library import CORE

LOINC = {
    "85353-1": "vitalspanel",
    "9279-1": "resprate",
    "8867-4": "heartrate",
    "2708-6": "oxygensat",
    "8310-5": "bodytemp",
    "8302-2": "bodyheight",
    "9843-4": "headcircum",
    "29463-7": "bodyweight",
    "39156-5": "bmi",
    "85354-9": "bp",
}
# SNOMED CT's codes of the same measurements: such an Observation must have LOINC's code too.
SNOMED = {
    "46680005": "vitalspanel",
    "86290005": "resprate",
    "364075005": "heartrate",
    "103228002": "oxygensat",
    "431314004": "oxygensat",
    "386725007": "bodytemp",
    "276885007": "bodytemp",
    "50373000": "bodyheight",
    "363812007": "headcircum",
    "27113001": "bodyweight",
    "60621009": "bmi",
    "75367002": "bp",
}
SYSTEMS = {"http://loinc.org": LOINC, "http://snomed.info/sct": SNOMED}


def profiles(node: Node) -> list[str]:
    """The canonical URLs of the profiles; none for what is no vital sign."""
    if node.kind.name != "Observation":
        return []
    code = node.value.get("code")
    codings = code.get("coding", []) if isinstance(code, dict) else []
    names = (SYSTEMS.get(c.get("system", ""), {}).get(c.get("code", "")) for c in codings)
    return [f"{CORE}{name}" for name in names if name]
