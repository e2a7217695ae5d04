"""FHIRPath (N1 2.0.0, with the functions that the ballot of 3.0 and FHIR R4 add) over resources of FHIR R4.

`evaluate("name.given", patient)` gives plain values; `compile` keeps an expression for many resources. An expression
that is wrong, does not fit the data or costs too much ends with a `FHIRPathError`, never with another exception.
"""

from __future__ import annotations

from tuetinh.record.fhirpath.context import STEPS, Services, is_constant
from tuetinh.record.fhirpath.errors import EvaluationError, FHIRPathError, LimitError, ParseError, SemanticError
from tuetinh.record.fhirpath.expression import Expression, compile, evaluate
from tuetinh.record.fhirpath.model import kinds
from tuetinh.record.fhirpath.nodes import Node, root, system

__all__ = [
    "STEPS",
    "EvaluationError",
    "Expression",
    "FHIRPathError",
    "LimitError",
    "Node",
    "ParseError",
    "SemanticError",
    "Services",
    "compile",
    "evaluate",
    "is_constant",
    "kinds",
    "root",
    "system",
]
