"""ValueSet/$related: how two value sets lie to each other (candidate operation of the terminology ecosystem).

First by their definitions: whole code systems, lists of codes, and branches of a hierarchy. Only where these do not
tell are both worked out code by code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuetinh.record.terminology import versions
from tuetinh.record.terminology.compose import Composer
from tuetinh.record.terminology.expand import PURPOSE
from tuetinh.record.terminology.inquiry import Inquiry, parameter
from tuetinh.record.terminology.issues import TerminologyError, missing, parameters, unknown_value_set
from tuetinh.record.terminology.library import Library
from tuetinh.record.terminology.model import Resource


@dataclass
class _Found:
    """What both share and what only one has. Codes are listed where they are known one by one."""

    left: bool = False
    right: bool = False
    both: bool = False
    expanded: bool = False
    common: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)

    def lists(self, one: Sequence[str], other: Sequence[str]) -> None:
        """Compare two lists of codes."""
        left, right = set(one), set(other)
        common = [code for code in one if code in right]
        gone = [code for code in one if code not in right]
        more = [code for code in other if code not in left]
        self.common += common
        self.missing += gone
        self.extra += more
        self.both, self.left, self.right = self.both or bool(common), self.left or bool(gone), self.right or bool(more)

    @property
    def result(self) -> str:
        """In one word."""
        if not self.both:
            return "disjoint" if self.left or self.right else "empty"
        if self.left and self.right:
            return "overlapping"
        return "superset" if self.left else "subset" if self.right else "same"


def related(library: Library, asked: Resource, accept_language: str = "") -> dict[str, Any]:
    """Whether two value sets are the same, one within the other, overlapping or disjoint."""
    inquiry = Inquiry(library, asked, accept_language)
    one, other = _value_set(inquiry, "this"), _value_set(inquiry, "other")
    names = [versions.join(own.get("url", ""), own.get("version", "")) for own in (one, other)]
    diagnostics = bool(inquiry.flag("diagnostics"))
    found = _by_definition(library, one, other)
    failure = ""
    if found is None:
        found = _Found(expanded=True)
        try:
            _by_expansion(inquiry, one, other, found)
        except TerminologyError as error:
            failure = error.issue.text
    result = "indeterminate" if failure else found.result
    rows = [parameter("result", result, "valueCode"), parameter("message", _message(result, names, failure))]
    if diagnostics:
        rows.append({"name": "performed-expansion", "valueBoolean": found.expanded})
        if not (found.expanded and result == "same"):
            rows.extend(_codes(found))
    return parameters(rows)


def _codes(found: _Found) -> list[dict[str, Any]]:
    lists = {"common-codes": found.common, "missing-codes": found.missing, "extra-codes": found.extra}
    return [parameter(name, ",".join(codes)) for name, codes in lists.items() if codes]


def _value_set(inquiry: Inquiry, side: str) -> Resource:
    given = inquiry.resource(f"{side}ValueSet", "ValueSet")
    if given is not None:
        return given
    canonical = inquiry.text(f"{side}Url")
    if not canonical:
        raise missing(f"One of the parameters {side}Url and {side}ValueSet is needed")
    found = inquiry.library.value_set(*versions.split(canonical))
    if found is None:
        raise unknown_value_set(canonical)
    return found


def _message(result: str, names: Sequence[str], failure: str) -> str:
    one, other = names
    return {
        "same": f"The value sets {one} and {other} contain the same codes",
        "subset": f"The valueSet {one} is a sub-set of the valueSet {other}",
        "superset": f"The valueSet {one} is a super-set of the valueSet {other}",
        "disjoint": f"No shared codes between the value sets {one} and {other}",
        "empty": f"Both the value sets {one} and {other} are empty",
        "overlapping": (
            f"Both value sets {one} and {other} contain the codes the other doesn't, but there is some overlap"
        ),
        "indeterminate": f"Unable to compare {one} and {other}: This expansion failed: {failure}",
    }[result]


# By definition --------------------------------------------------------------------------------------------------

_Part = tuple[str, str, frozenset[str], frozenset[tuple[str, str, str]]]


def _parts(value_set: Resource) -> list[_Part] | None:
    """The includes as system, version, codes and filters; None when there is more to the value set than these."""
    compose = value_set.get("compose")
    if compose is None or compose.get("exclude"):
        return None
    parts = []
    for include in compose.get("include", ()):
        if "system" not in include or include.get("valueSet"):
            return None
        codes = frozenset(row.get("code", "") for row in include.get("concept", ()))
        rows = include.get("filter", ())
        tests = frozenset((own.get("property", ""), own.get("op", ""), own.get("value", "")) for own in rows)
        parts.append((include["system"], include.get("version", ""), codes, tests))
    return parts


def _by_definition(library: Library, one: Resource, other: Resource) -> _Found | None:
    """What the definitions tell, None when they do not."""
    left, right = _parts(one), _parts(other)
    if left is None or right is None:
        return None
    found = _Found()
    if sorted(map(repr, left)) == sorted(map(repr, right)):
        found.both = True
        if len(left) == 1 and left[0][2]:
            found.common = sorted(left[0][2])
        return found
    systems = list(dict.fromkeys(part[0] for part in (*left, *right)))
    for system in systems:
        mine = [part for part in left if part[0] == system]
        theirs = [part for part in right if part[0] == system]
        if not mine or not theirs:
            found.left, found.right = found.left or bool(mine), found.right or bool(theirs)
        elif len(mine) > 1 or len(theirs) > 1 or not _compare(library, mine[0], theirs[0], found):
            return None
    return found


def _compare(library: Library, one: _Part, other: _Part, found: _Found) -> bool:
    """Compare two includes of one system; False when their definitions do not tell."""
    system, version, codes, tests = one
    _, other_version, other_codes, other_tests = other
    if codes and other_codes and not tests and not other_tests:
        found.lists(sorted(codes), sorted(other_codes))
        return True
    if codes or other_codes:
        return False
    if not tests and not other_tests:
        found.both = True
        return True
    if version != other_version:
        return False
    if tests == other_tests:
        found.both = True
        return True
    return _branches(library, system, version, (tests, other_tests), found)


def _branches(
    library: Library, url: str, version: str, tests: tuple[frozenset[tuple[str, str, str]], ...], found: _Found
) -> bool:
    """Compare two branches of a hierarchy (`concept is-a X`)."""
    roots = []
    for own in tests:
        [(name, op, value), *more] = own
        if more or name != "concept" or op != "is-a":
            return False
        roots.append(value)
    system = library.system(url, version)
    if system is None or system.content != "complete" or any(system.find(root) is None for root in roots):
        return False
    one, other = roots
    if system.subsumes(other, one):
        found.both = found.right = True
    elif system.subsumes(one, other):
        found.both = found.left = True
    elif not system.descendants(one) & system.descendants(other):
        found.left = found.right = True
    else:
        found.both = found.left = found.right = True
    return True


def _by_expansion(inquiry: Inquiry, one: Resource, other: Resource, found: _Found) -> None:
    """Work both out and compare code by code, versions aside."""
    codes: list[list[tuple[str, str]]] = []
    for value_set in (one, other):
        composer = Composer(inquiry, value_set, PURPOSE)
        keys: Mapping[tuple[str, str], None] = dict.fromkeys(
            (entry.system.url, entry.concept.code) for entry in composer.entries(value_set)
        )
        codes.append(list(keys))
    left, right = (set(own) for own in codes)
    found.common = [code for system, code in codes[0] if (system, code) in right]
    found.missing = [code for system, code in codes[0] if (system, code) not in right]
    found.extra = [code for system, code in codes[1] if (system, code) not in left]
    found.both, found.left, found.right = bool(found.common), bool(found.missing), bool(found.extra)
