"""Slices (R4 profiling.html, 5.1.0.12): which value is which, and what is asked of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tuetinh.record.fhirpath import FHIRPathError, Node, compile
from tuetinh.record.profiles.tree import Rule, Slicing
from tuetinh.record.validate.problem import Problem

if TYPE_CHECKING:
    from tuetinh.record.profiles.rules import Judge

_STEP = re.compile(
    r"\.?(?:(?P<this>\$this)|resolve\(\)(?P<resolve>)|(?:ofType|as)\((?P<type>\w+)\)"
    r"|extension\(['\"](?P<extension>[^'\"]+)['\"]\)|(?P<name>\w+)(?:\[x\])?)"
)


def problems(judge: Judge, parent: Node, name: str, nodes: Sequence[Node], rule: Rule) -> list[Problem]:
    """What sliced values lack."""
    how = rule.slicing or _implied(parent, name.partition(":")[0])
    groups: dict[str, list[Node]] = {slice_: [] for slice_ in rule.slices}
    found: list[Problem] = []
    order = list(rule.slices)
    furthest, unmatched = 0, False
    for node in nodes:
        fitting = [s for s, asked in rule.slices.items() if s != "@default" and _is(judge, node, asked, how)]
        if len(fitting) > 1 and rule.slicing is not None:
            found.append(Problem("error", "structure", node.path, f"is of more than one slice: {', '.join(fitting)}"))
        mine = fitting[0] if fitting else "@default" if "@default" in rule.slices else None
        if mine is None:
            unmatched = True
            if how.rules == "closed":
                found.append(Problem("error", "structure", node.path, f"is none of the slices {', '.join(order)}"))
            continue
        groups[mine].append(node)
        if unmatched and how.rules == "openAtEnd":
            found.append(Problem("error", "structure", node.path, f"{mine} must stand before what is in no slice"))
        if how.ordered and order.index(mine) < furthest:
            found.append(Problem("error", "structure", node.path, f"{mine} stands in the wrong place"))
        furthest = max(furthest, order.index(mine))
    for slice_, members in groups.items():
        asked = rule.slices[slice_]
        found += judge.count(parent, name, members, asked, slice_)
        for node in members:
            found += judge.node(node, asked)
        if asked.slices:
            found += problems(judge, parent, f"{name}:{slice_}", members, asked)
    return found


def _implied(parent: Node, name: str) -> Slicing:
    """Extensions are told apart by url, choices by type, without saying so (profiling.html, 5.1.0.12); what says
    nothing else is in a slice when it has the slice's values."""
    kind = ("value", "$this")
    if name in ("extension", "modifierExtension"):
        kind = ("value", "url")
    elif len(parent.kind.steps.get(name, ())) > 1:
        kind = ("type", "$this")
    return Slicing([kind], "open", ordered=False)


def _is(judge: Judge, node: Node, asked: Rule, how: Slicing) -> bool:
    """Whether a value is of a slice: every discriminator that the slice speaks of agrees."""
    spoken = False
    for kind, path in how.discriminators:
        expected = list(_expected(judge, asked, path))
        if not expected:
            continue
        spoken = True
        if not _agrees(judge, node, kind, path, expected):
            return False
    return spoken


def _agrees(judge: Judge, node: Node, kind: str, path: str, expected: list[Rule]) -> bool:
    try:
        text = path.replace("[x]", "")
        items = [node] if text == "$this" else compile(text).items(node, context=node, services=judge.services)
    except FHIRPathError:
        return False
    nodes = [item for item in items if isinstance(item, Node)]
    if not nodes and kind != "exists":
        return any(rule.max == 0 for rule in expected)
    if kind == "exists":
        return all((rule.max != 0) == bool(nodes) for rule in expected if rule.max == 0 or rule.min)
    if kind == "type":
        typed = [rule for rule in expected if rule.type or rule.types]
        return any(_typed(one, rule) for one in nodes for rule in typed)
    return all(any(_holds(judge, one, rule) for one in nodes) for rule in expected)


def _typed(node: Node, rule: Rule) -> bool:
    """Whether an element has a type that the slice names: by itself, or by the type of a profile."""
    if rule.type:
        return node.kind.is_a(rule.type)
    return rule.types is None or any(node.kind.is_a(t.code) for t in rule.types)


def _holds(judge: Judge, node: Node, rule: Rule) -> bool:
    found = judge.profile(node, rule) if rule.url else judge.node(node, rule)
    return not any(p.severity == "error" for p in found)


def _expected(judge: Judge, rule: Rule, path: str) -> Iterator[Rule]:
    """The rules that a slice has at the end of a discriminator's path, its own and those of its types' profiles."""
    if path in ("$this", ""):
        if _says(rule):
            yield rule
        return
    yield from _within(rule, path)
    match = _STEP.match(path)
    if match is None:
        return
    rest = path[match.end() :]
    if match["this"]:
        yield from _expected(judge, rule, rest.removeprefix(".") or "$this")
    elif match["resolve"] is not None:
        yield from _targets(judge, rule, rest.removeprefix("."))
    elif match["type"]:
        yield from _expected(judge, rule, rest.removeprefix(".") or "$this")
    else:
        for here in (rule, *_profiles(judge, rule)):
            for child in _children(here, match):
                yield from _expected(judge, child, rest.removeprefix(".") or "$this")


def _within(rule: Rule, path: str) -> Iterator[Rule]:
    """What the fixed value or pattern of an element says of one below it."""
    for name in ("fixed", "pattern"):
        values = [getattr(rule, name)]
        for step in path.split("."):
            inner = [value[step] for value in values if isinstance(value, dict) and step in value]
            values = [one for value in inner for one in (value if isinstance(value, list) else [value])]
        yield from (Rule(**{name: value}) for value in values)


def _children(rule: Rule, match: re.Match[str]) -> Iterator[Rule]:
    if match["extension"]:
        outer = rule.children.get("extension")
        for one in _all(outer) if outer else ():
            if any(match["extension"] in t.profiles for t in one.types or ()):
                yield one
    elif child := rule.children.get(match["name"]):
        yield child
        yield from (one for one in child.slices.values() if one.min or len(child.slices) == 1)


def _all(rule: Rule) -> Iterator[Rule]:
    """Slices and the slices within them."""
    for one in rule.slices.values():
        yield one
        yield from _all(one)


def _profiles(judge: Judge, rule: Rule) -> Iterator[Rule]:
    """The trees of the profiles that the slice's type must have."""
    for one in rule.types or ():
        for url in one.profiles:
            if tree := judge.library.tree(url):
                yield tree


def _targets(judge: Judge, rule: Rule, rest: str) -> Iterator[Rule]:
    """What a reference of the slice must lead to."""
    from tuetinh.record.profiles.library import base_type

    for one in rule.types or ():
        for url in one.targets:
            tree = judge.library.tree(url)
            if tree is None and base_type(url):
                tree = Rule(type=base_type(url))
            if tree is not None and rest:
                yield from _expected(judge, tree, rest)
            elif tree is not None:
                yield tree


def _says(rule: Rule) -> bool:
    """Whether a rule can tell one value from another."""
    return bool(
        rule.types or rule.children or rule.slices or rule.binding or rule.min or rule.type or rule.constraints
    ) or any(v is not None for v in (rule.fixed, rule.pattern, rule.max))
