"""Make `record/search/data/parameters.json` from HL7's search-parameters bundle (FHIR R4 4.0.1, CC0).

usage: make_search_parameters.py SHARED_FOLDER

For each resource type and parameter: [type, expression, targets, id of the SearchParameter, components of a composite].
Of an expression over many types only the part about that type is kept. Compartments keep the parameters that bind a
resource to a patient, an encounter and so on, in the order of HL7's definition.
"""

from __future__ import annotations

import gzip
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent.parent / "src/tuetinh/record/search/data/parameters.json"
URL = "http://hl7.org/fhir/SearchParameter/"

# Slips of the official bundle: a union without its type's name, and an element that R4 does not have.
ERRATA = {
    ("InsurancePlan", "name"): "InsurancePlan.name | InsurancePlan.alias",
    ("DeviceDefinition", "classification"): "",
}
# Composites whose parts name the wrong datatype, or each other's parameters.
PARTS = {
    "value.as(DateTime) | value.as(Period)": "value.as(dateTime) | value.as(Period)",
}
SWAPPED = {("DocumentReference", "relationship")}
COMPARTMENTS = ("Patient", "Encounter", "RelatedPerson", "Practitioner", "Device")


def load(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))


def alternatives(expression: str) -> list[str]:
    """Split a union at its top level."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(expression):
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 0:
            parts.append(expression[start:at].strip())
            start = at + 1
    return [*parts, expression[start:].strip()]


def compartment(definitions: Path, name: str) -> list[dict[str, Any]]:
    """Return what a CompartmentDefinition says of each resource type."""
    if name == "Patient":  # with Task, which R4's own package leaves out
        own: list[dict[str, Any]] = load(definitions / "compartmentdefinition-patient.json.gz")["resource"]
        return own
    with tarfile.open(definitions / "hl7.fhir.r4.core-4.0.1.tar.xz") as archive:
        member = f"CompartmentDefinition-{name[0].lower()}{name[1:]}.json"
        found = next(m for m in archive if m.name.lower().endswith(member.lower()))
        return json.load(archive.extractfile(found))["resource"]  # type: ignore[no-any-return, arg-type]


def _params(it: dict[str, Any]) -> list[str]:
    """Return the parameters, without the mark of the type itself."""
    return [code for code in it.get("param", []) if code != "{def}"]


def main() -> None:
    definitions = Path(sys.argv[1]) / "data/fhir/definitions"
    types: dict[str, dict[str, Any]] = {}
    for entry in load(definitions / "search-parameters.json.gz")["entry"]:
        it = entry["resource"]
        if not it["url"].startswith(URL):
            continue
        for base in it["base"]:
            about = [a for a in alternatives(it.get("expression", "")) if a.lstrip("(").startswith(f"{base}.")]
            parts = [[c["definition"].removeprefix(URL), c["expression"]] for c in it.get("component", [])]
            parts = [[definition, PARTS.get(part, part)] for definition, part in parts]
            if (base, it["code"]) in SWAPPED:
                parts = [[parts[1][0], parts[0][1]], [parts[0][0], parts[1][1]]]
            expression = " | ".join(about) if it["type"] != "composite" else it.get("expression", "")
            expression = ERRATA.get((base, it["code"]), expression)
            row = [it["type"], expression, it.get("target", []), it["url"].removeprefix(URL), parts]
            types.setdefault(base, {})[it["code"]] = row[: 5 if parts else 4]
    compartments = {
        name: {it["code"]: bound for it in compartment(definitions, name) if (bound := _params(it))}
        for name in COMPARTMENTS
    }
    lines = [
        f"{json.dumps(t)}: {{\n"
        + ",\n".join(
            f"{json.dumps(code)}: {json.dumps(row, ensure_ascii=False, separators=(',', ':'))}"
            for code, row in sorted(types[t].items())
        )
        + "}"
        for t in sorted(types)
    ]
    head = '{"source": "HL7 FHIR R4 4.0.1 search parameters and compartments, CC0",\n"compartments": {\n'
    bound = ",\n".join(f"{json.dumps(name)}: {json.dumps(found)}" for name, found in compartments.items())
    OUT.write_text(f'{head}{bound}}},\n"types": {{\n' + ",\n".join(lines) + "}}\n", encoding="utf-8")
    print(f"{OUT}: {sum(map(len, types.values()))} parameters of {len(types)} types")


if __name__ == "__main__":
    main()
