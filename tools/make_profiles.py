"""Make `record/profiles/data/{r4,vn_core}.jsonl.gz`: the profiles and extensions of FHIR R4 and of VN Core.

    python tools/make_profiles.py hl7.fhir.r4.core-4.0.1.tar.xz VN_CORE_FOLDER

Only what validation looks at is kept: no texts, no mappings. Of VN Core's codes only the Ministry's own are taken, not
those of SNOMED CT, LOINC and CVX, whose owners have licences of their own.
"""

from __future__ import annotations

import gzip
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

from tuetinh.record import formats

DATA = Path(__file__).parent.parent / "src/tuetinh/record/profiles/data"
OWN_CODES = ("CodeSystem-vn-core-", "ValueSet-vn-core-")
KEPT = ("url", "version", "kind", "abstract", "type", "baseDefinition", "derivation", "context", "contextInvariant")
PARTS = ("id", "path", "sliceName", "slicing", "min", "max", "contentReference", "maxLength", "constraint")


def main() -> None:
    found = []
    with tarfile.open(sys.argv[1]) as archive:
        for member in sorted(archive, key=lambda m: m.name):
            if "/StructureDefinition-" in member.name and (handle := archive.extractfile(member)):
                definition = json.load(handle)
                if definition.get("derivation") == "constraint":
                    found.append(_kept(definition))
    _write("r4", found)
    found = []
    for path in sorted((Path(sys.argv[2]) / "input/resources").glob("*.xml")):
        if not path.name.startswith(("StructureDefinition", *OWN_CODES)):
            continue
        resource = json.loads(formats.read(path.read_bytes()))
        if resource["resourceType"] == "StructureDefinition":
            found.append(_kept(resource))
        else:
            resource.pop("text", None)
            found.append(resource)
    _write("vn_core", found)


def _write(name: str, resources: list[dict[str, Any]]) -> None:
    target = DATA / f"{name}.jsonl.gz"
    target.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(one, separators=(",", ":"), ensure_ascii=False) + "\n" for one in resources)
    target.write_bytes(gzip.compress(lines.encode(), mtime=0))
    print(f"{name}: {len(resources)} resources, {target.stat().st_size} bytes")


# R4 binds the components of vital signs to twelve units, with which its own oxygen flow cannot be told; since R5
# the binding is no longer required.
LOOSENED = {("http://hl7.org/fhir/StructureDefinition/vitalsigns", "Observation.component.value[x]")}


def _kept(definition: dict[str, Any]) -> dict[str, Any]:
    elements = [_element(e) for e in definition["differential"]["element"]]
    for element in elements:
        if (definition["url"], element.get("id")) in LOOSENED:
            element["binding"]["strength"] = "extensible"
    kept = {name: definition[name] for name in KEPT if name in definition}
    return {"resourceType": "StructureDefinition", **kept, "differential": {"element": elements}}


def _element(element: dict[str, Any]) -> dict[str, Any]:
    kept = {name: element[name] for name in PARTS if name in element}
    kept |= {k: v for k, v in element.items() if k.startswith(("fixed", "pattern", "minValue", "maxValue"))}
    if "type" in element:
        names = ("code", "profile", "targetProfile", "aggregation")
        kept["type"] = [{n: t[n] for n in names if n in t} for t in element["type"]]
    if "binding" in element:
        kept["binding"] = {n: element["binding"][n] for n in ("strength", "valueSet") if n in element["binding"]}
    if "constraint" in kept:
        names = ("key", "severity", "human", "expression")
        kept["constraint"] = [{n: c[n] for n in names if n in c} for c in kept["constraint"]]
    return kept


if __name__ == "__main__":
    main()
