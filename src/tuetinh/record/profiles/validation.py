"""One validation: the base definition, its invariants by FHIRPath, extensions, and every profile that is claimed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import structs

from tuetinh.record.fhirpath import Node, kinds
from tuetinh.record.fhirpath.nodes import root
from tuetinh.record.profiles import (
    codings,
    conditions,
    definitions,
    entries,
    extensions,
    measures,
    questionnaires,
    values,
    vital_signs,
)
from tuetinh.record.profiles.budget import Budget
from tuetinh.record.profiles.library import Library, base_type
from tuetinh.record.profiles.rules import Judge
from tuetinh.record.validate import check
from tuetinh.record.validate.parse import quick
from tuetinh.record.validate.problem import Problem

MAX_PROBLEMS = 500


# IssueTypes of warnings that are errors to HL7's own validator: unknown extensions, and displays that are not listed.
STRICT = frozenset({"extension", "invalid"})


class Validation:
    """Validates against what a library knows.

    strict: as HL7's validator judges, where FHIR leaves it open. security: texts must not look like markup.
    examples: URLs of examples may stand here.
    """

    def __init__(
        self, library: Library, *, strict: bool = False, security: bool = False, examples: bool = True
    ) -> None:
        self.library, self.strict, self.security, self.examples = library, strict, security, examples

    def problems(
        self, data: bytes, profiles: Iterable[str] = (), within: Mapping[str, Iterable[str]] | None = None
    ) -> list[Problem]:
        """Everything that is wrong with a resource, as JSON: `error`, `warning` and `information`.

        profiles: what it must meet; within: the same for resources in it, by path (`Bundle.entry[0].resource`).
        Raises TooCostly when it takes more work than one call may cause.
        """
        resource, found = check(data)
        try:
            plain = quick(data)
        except (ValueError, ArithmeticError, RecursionError):
            return found
        if not isinstance(plain, dict) or (resource is None and _shapeless(found)):
            return found
        node = root(plain)
        budget = Budget()
        judge = Judge(self.library, budget)
        asked = within or {}
        for each in _resources(node):
            found += conditions.problems(each, budget)
            if each.kind.name == "QuestionnaireResponse":
                found += questionnaires.problems(self.library, each.value, each.path)
            if each.kind.name == "MeasureReport":
                found += measures.problems(self.library, each.value, each.path)
            if each.kind.name == "Measure":
                found += measures.criteria(self.library, each)
            if each.kind.name == "Bundle":
                found += entries.problems(each)
            found += definitions.problems(self.library, each)
            claimed = each.value.get("meta", {}).get("profile", [])
            claimed = [*claimed, *self.library.everywhere(each.kind.name), *vital_signs.profiles(each)]
            known, said = set(found), dict[Problem, str]()
            for url in dict.fromkeys([*claimed, *(profiles if each is node else asked.get(each.path, ()))]):
                for problem in self._profile(judge, each, str(url)):
                    said.setdefault(problem, str(url))
            found += [_named(problem, url) for problem, url in said.items() if problem not in known]
        found += extensions.problems(self.library, judge, node)
        found += values.problems(node)
        found += values.markup(node) if self.security else ()
        found += () if self.examples else values.examples(node)
        found += codings.problems(self.library, node)
        if self.strict:
            found = [self._stricter(problem) for problem in found]
        return list(dict.fromkeys(found))[:MAX_PROBLEMS]

    def _stricter(self, problem: Problem) -> Problem:
        return structs.replace(problem, severity="error") if problem.code in STRICT else problem

    def _profile(self, judge: Judge, node: Node, url: str) -> list[Problem]:
        tree = self.library.tree(url)
        if tree is None:
            base = base_type(url.partition("|")[0])
            if node.kind.is_a(base):
                return []
            if base in kinds():
                return [
                    Problem("error", "structure", node.path, f"a {node.kind.name} is no {base}, as {url[:200]} asks")
                ]
            return [
                Problem("warning", "not-found", node.path, f"the profile {url[:200]} is not known, and not checked")
            ]
        return judge.profile(node, tree)


def _named(problem: Problem, url: str) -> Problem:
    """The problem with the profile that finds it: some are asked of what never claims them, as of vital signs."""
    if url in problem.message:
        return problem
    return structs.replace(problem, message=f"{problem.message} (profile {url[:200]})")


def _shapeless(problems: list[Problem]) -> bool:
    """Whether what is wrong makes it useless to look further: the resource is not even of FHIR's shape."""
    return any(p.severity == "error" and p.code == "structure" for p in problems)


def _resources(node: Node) -> Iterator[Node]:
    """The resource itself and every one within it."""
    if node.kind.resource:
        yield node
    for below in node.descendants():
        if below.kind.resource and isinstance(below.value, dict):
            yield below
