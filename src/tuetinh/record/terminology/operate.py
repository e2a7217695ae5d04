"""The operations of the terminology service by name, as a server answers them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tuetinh.record.terminology.expand import expand
from tuetinh.record.terminology.find import find_matches
from tuetinh.record.terminology.issues import TerminologyError, outcome
from tuetinh.record.terminology.library import Library
from tuetinh.record.terminology.lookup import lookup, subsumes
from tuetinh.record.terminology.model import Resource
from tuetinh.record.terminology.related import related
from tuetinh.record.terminology.translate import translate
from tuetinh.record.terminology.validate import validate_batch, validate_in_code_system, validate_in_value_set

Operation = Callable[[Library, Resource, str], dict[str, Any]]

# By resource type and operation, as in the path: `/ValueSet/$expand`.
OPERATIONS: dict[tuple[str, str], Operation] = {
    ("CodeSystem", "find-matches"): find_matches,
    ("CodeSystem", "lookup"): lookup,
    ("CodeSystem", "subsumes"): subsumes,
    ("CodeSystem", "validate-code"): validate_in_code_system,
    ("ConceptMap", "translate"): translate,
    ("ValueSet", "batch-validate-code"): validate_batch,
    ("ValueSet", "expand"): expand,
    ("ValueSet", "related"): related,
    ("ValueSet", "validate-code"): validate_in_value_set,
}


def answer(
    library: Library, type_: str, name: str, parameters: Resource, accept_language: str = ""
) -> tuple[int, dict[str, Any]]:
    """HTTP status and resource: what the operation gives, or an OperationOutcome. KeyError for no such operation."""
    operation = OPERATIONS[type_, name]
    try:
        return 200, operation(library, parameters, accept_language)
    except TerminologyError as error:
        return error.status, outcome([error.issue])
