"""Make `record/published/data/structures.zip`: the StructureDefinitions of FHIR R4 as HL7 publishes them.

    python tools/make_published.py hl7.fhir.r4.core-4.0.1.tar.xz

Snapshots repeat much of each other, so that several lie together in a part; one is read without reading all. The member
`index.json` says of each, in the order of the parts, its id, its URL and the number of its part.
"""

from __future__ import annotations

import json
import sys
import tarfile
import zipfile
from pathlib import Path

TARGET = Path(__file__).parent.parent / "src/tuetinh/record/published/data/structures.zip"
PART_BYTES = 1_000_000
MOMENT = (1980, 1, 1, 0, 0, 0)


def main() -> None:
    found = []
    with tarfile.open(sys.argv[1]) as archive:
        for member in archive:
            if "/StructureDefinition-" in member.name and (handle := archive.extractfile(member)):
                resource = json.load(handle)
                if resource["resourceType"] == "StructureDefinition":
                    resource.pop("text", None)
                    found.append(resource)
    found.sort(key=lambda one: (one["kind"], one.get("derivation", ""), one["type"], one["id"]))
    parts: list[list[bytes]] = [[]]
    index = []
    for resource in found:
        line = json.dumps(resource, separators=(",", ":"), ensure_ascii=False).encode()
        if parts[-1] and sum(map(len, parts[-1])) + len(line) > PART_BYTES:
            parts.append([])
        parts[-1].append(line)
        index.append([resource["id"], resource["url"], len(parts) - 1])
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(TARGET, "w", zipfile.ZIP_LZMA) as made:
        _add(made, "index.json", json.dumps(index, separators=(",", ":")).encode())
        for number, part in enumerate(parts):
            _add(made, f"{number}.jsonl", b"\n".join(part))
    print(f"{len(found)} definitions, {TARGET.stat().st_size} bytes")


def _add(made: zipfile.ZipFile, name: str, data: bytes) -> None:
    made.writestr(zipfile.ZipInfo(name, MOMENT), data, zipfile.ZIP_LZMA)


if __name__ == "__main__":
    main()
