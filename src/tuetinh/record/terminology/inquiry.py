"""One request to the terminology service: its parameters, the languages asked for and the library that it may see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tuetinh.record.terminology import language, versions
from tuetinh.record.terminology.issues import missing, refused, unknown_value_set
from tuetinh.record.terminology.language import Languages
from tuetinh.record.terminology.library import Library
from tuetinh.record.terminology.model import CodeSystem, Resource

EXPANSION_PARAMETER = "http://hl7.org/fhir/StructureDefinition/valueset-expansion-parameter"
_EXPANSION_PARAMETER_TOOLS = "http://hl7.org/fhir/tools/StructureDefinition/valueset-expansion-parameter"
SUPPLEMENT = "http://hl7.org/fhir/StructureDefinition/valueset-supplement"


class Inquiry:
    """The parameters of one request, by name. What a value set asks for itself comes after what the client asks."""

    def __init__(self, library: Library, parameters: Resource, accept_language: str = "") -> None:
        self._values: dict[str, list[Any]] = {}
        for row in parameters.get("parameter", ()):
            self._values.setdefault(row.get("name", ""), []).append(_value(row))
        self._own = frozenset(self._values)
        self.accept_language = accept_language
        resources = [own for own in self.all("tx-resource") if isinstance(own, Mapping)]
        self.library = library.over(resources) if resources else library

    def all(self, *names: str) -> list[Any]:
        """Every value given under any of the names."""
        return [value for name in names for value in self._values.get(name, ())]

    def one(self, *names: str) -> Any:
        """The first value given under any of the names, or None."""
        return next(iter(self.all(*names)), None)

    def text(self, *names: str) -> str:
        """The first value as text; empty when there is none."""
        value = self.one(*names)
        return "" if value is None else str(value)

    def flag(self, *names: str) -> bool | None:
        """The first value as a boolean, None when there is none. A TerminologyError when it is neither."""
        value = self.one(*names)
        if value is None or isinstance(value, bool):
            return value
        if value in ("true", "false"):
            return bool(value == "true")
        raise missing(f"The parameter {names[0]} is not a boolean")

    def number(self, *names: str) -> int | None:
        """The first value as a whole number from 0 on, None when there is none."""
        value = self.one(*names)
        if value is None:
            return None
        try:
            found = int(value)
        except (TypeError, ValueError):
            found = -1
        if found < 0:
            raise missing(f"The parameter {names[0]} is not a whole number from 0 on")
        return found

    def given(self, name: str) -> bool:
        """Whether the client gave the parameter."""
        return name in self._own

    def resource(self, name: str, type_: str) -> Resource | None:
        """A resource given as parameter, of the type it must have."""
        value = self.one(name)
        if value is None:
            return None
        if not isinstance(value, Mapping) or value.get("resourceType") != type_:
            raise missing(f"The parameter {name} is not a {type_}")
        return value

    def complement(self, value_set: Resource) -> None:
        """Take in the expansion parameters that the value set carries (valueset-expansion-parameter)."""
        for carrier in (value_set, value_set.get("compose", {})):
            for own in carrier.get("extension", ()):
                if own.get("url") in (EXPANSION_PARAMETER, _EXPANSION_PARAMETER_TOOLS):
                    parts = {part.get("url"): _value(part) for part in own.get("extension", ())}
                    if parts.get("name") not in self._own and "value" in parts:
                        self._values.setdefault(str(parts.get("name")), []).append(parts["value"])

    def languages(self, value_set: Resource | None = None) -> Languages:
        """The display languages: parameter, then the value set's parameter, then the header, then its language."""
        text = self.text("displayLanguage") or self.accept_language or (value_set or {}).get("language", "")
        if not text:
            return Languages()
        try:
            return language.parse(text)
        except ValueError as error:
            raise refused(
                "processing", "invalid-display", f"Invalid displayLanguage: '{text}'", "INVALID_DISPLAY_NAME"
            ) from error

    def pinned(self, name: str, url: str) -> str:
        """The version that a parameter such as `system-version` gives for a URL (`url|version`); empty when none."""
        for value in self.all(name):
            own, version = versions.split(str(value))
            if own == url:
                return version
        return ""

    def supplements(self, value_set: Resource | None = None) -> list[CodeSystem]:
        """The supplements that the client or the value set asks for. A TerminologyError when one is not there."""
        wanted = [str(value) for value in self.all("useSupplement")]
        if value_set is not None:
            wanted += [str(_value(own)) for own in value_set.get("extension", ()) if own.get("url") == SUPPLEMENT]
        found = []
        for canonical in wanted:
            supplement = self.library.supplement(*versions.split(canonical))
            if supplement is None:
                text = f"Required supplement not found: {canonical}"
                raise refused("not-found", "not-found", text, "VALUESET_SUPPLEMENT_MISSING")
            found.append(supplement)
        return found

    def value_set(self) -> Resource | None:
        """The value set that is meant: given whole, or by `url` and `valueSetVersion`. None when none is named."""
        given = self.resource("valueSet", "ValueSet")
        if given is not None:
            return given
        url, version = versions.split(self.text("url"))
        if not url:
            return None
        wanted = self.text("valueSetVersion") or version
        found = self.library.value_set(url, wanted)
        if found is None:
            raise unknown_value_set(versions.join(url, wanted))
        return found

    def names(self) -> Iterator[tuple[str, Any]]:
        """Every parameter with each of its values."""
        for name, values in self._values.items():
            for value in values:
                yield name, value


def parameter(name: str, value: Any, element: str = "") -> dict[str, Any]:
    """One row of a Parameters resource, the element chosen by the value when it is not said."""
    if element:
        return {"name": name, element: value}
    if isinstance(value, bool):
        return {"name": name, "valueBoolean": value}
    if isinstance(value, int):
        return {"name": name, "valueInteger": value}
    return {"name": name, "valueString": value}


def _value(row: Resource) -> Any:
    for key, value in row.items():
        if key.startswith("value") or key == "resource":
            return value
    parts: Iterable[Resource] = row.get("part", ())
    return {part.get("name"): _value(part) for part in parts} or None
