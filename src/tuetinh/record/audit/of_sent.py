"""How the events that other systems sent are searched: by what they tell, as jsonpaths.

They are few beside the entries of the node, and found by an index of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from tuetinh.record import versioning
from tuetinh.record.audit.event import CLIENT
from tuetinh.record.errors import BadRequest

Condition = tuple[str, Sequence[object]]
Read = Callable[[str], Condition]
_REFERENCE: Final = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")


def named(value: str) -> tuple[str, str]:
    """Type ("" where none is said) and id of a reference. Raises BadRequest."""
    match = _REFERENCE.fullmatch(value)
    if match:
        return match[1], match[2]
    if not versioning.is_id(value):
        raise BadRequest(f"{value[:80]!r} is no reference")
    return "", value


def _path(path: str, **values: str) -> Condition:
    given = msgspec.json.encode(values).decode()
    return "jsonb_path_exists(event::jsonb, %s::jsonpath, %s::jsonb, true)", [path, given]


def _coded(place: str, code: str = "code") -> Read:
    """Reads `code`, `system|code`, `system|` and `|code` of what has a system."""

    def read(value: str) -> Condition:
        said, bar, text = value.rpartition("|")
        tests = [f"@.{code} == $code"] if text else []
        if bar:
            tests.append("@.system == $system" if said else "!exists(@.system)")
        return _path(f"{place} ? ({' && '.join(tests)})", code=text, system=said)

    return read


def _plain(place: str, test: str = "@ == $value") -> Read:
    """Reads what has no system, or that of R4 alone."""
    return lambda value: _path(f"{place} ? ({test})", value=value.rpartition("|")[2])


def _refers(place: str) -> Read:
    def read(value: str) -> Condition:
        type_, id_ = named(value)
        pattern = f"(^|/){type_ or '[A-Za-z]+'}/{id_.replace('.', '[.]')}(/_history/.*)?$"
        return _path(f'{place}.reference ? (@ like_regex "{pattern}")')

    return read


def facility(value: str) -> Condition:
    """Of the agents, the facilities alone, which the person is told."""
    type_, id_ = named(value)
    return _refers("$.agent[*].who")(f"Organization/{id_}") if type_ in ("", "Organization") else ("FALSE", [])


def _identified(value: str) -> Condition:
    """An agent by its identifier, the sender among them."""
    sql, params = _coded("$.agent[*].who.identifier", "value")(value)
    said, bar, text = value.rpartition("|")
    return (f"{sql} OR client = %s", [*params, text]) if text and (not bar or said == CLIENT) else (sql, params)


READ: Final[dict[str, Read]] = {
    "action": _plain("$.action"),
    "address": _plain("$.agent[*].network.address", "@ starts with $value"),
    "address:exact": _plain("$.agent[*].network.address"),
    "agent": _refers("$.agent[*].who"),
    "agent:identifier": _identified,
    "agent-role": _coded("$.agent[*].role[*].coding[*]"),
    "altid": _plain("$.agent[*].altId"),
    "entity": _refers("$.entity[*].what"),
    "outcome": _plain("$.outcome"),
    "site": _plain("$.source.site"),
    "subtype": _coded("$.subtype[*]"),
    "type": _coded("$.type"),
}
"""Readers by parameter and modifier."""
MISSING: Final = {
    "address": "NOT jsonb_path_exists(event::jsonb, '$.agent[*].network.address')",
    "entity": "NOT jsonb_path_exists(event::jsonb, '$.entity[*].what')",
    "outcome": "NOT jsonb_path_exists(event::jsonb, '$.outcome')",
    "action": "NOT jsonb_path_exists(event::jsonb, '$.action')",
    "subtype": "NOT jsonb_path_exists(event::jsonb, '$.subtype')",
    "agent-role": "NOT jsonb_path_exists(event::jsonb, '$.agent[*].role')",
    "altid": "NOT jsonb_path_exists(event::jsonb, '$.agent[*].altId')",
    "site": "NOT jsonb_path_exists(event::jsonb, '$.source.site')",
}
"""SQL of whether there is no value."""
