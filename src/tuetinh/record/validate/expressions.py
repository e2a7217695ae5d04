"""Invariants by their own FHIRPath expressions, run only where they can say something."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tuetinh.record.validate.rules import Invariant

if TYPE_CHECKING:
    from tuetinh.record.fhirpath import Expression

Json = dict[str, Any]
Test = Callable[[Json], bool]

# Expressions that do not say what they mean.
CORRECTED = {
    # FHIR.boolean is not System.Boolean; HL7 wrote it so in later versions.
    ("QuestionnaireItemEnableWhen", "que-7"): "operator = 'exists' implies (answer is boolean)",
    # A year and a day of it have no order that could be wrong.
    ("Task", "inv-1"): "iif(lastModified < authoredOn, false, true)",
}
# Expressions that look at %resource, which stands one level above the element: tested there.
ABOVE = {
    ("StructureDefinitionDifferential", "sdf-8a"): ("StructureDefinition", "differential"),
    ("StructureDefinitionSnapshot", "sdf-8"): ("StructureDefinition", "snapshot"),
}


def expression_test(type_name: str, invariant: Invariant, element: str = "") -> Test:
    """The test of an invariant of a type, or of one of its elements.

    An expression that gives nothing is no proof: an error, but nothing to warn of. Where one cannot be evaluated or
    costs too much, there is no fault that could be named.
    """
    text = CORRECTED.get((type_name, invariant.key), invariant.expression or "true")
    return _Test(type_name, text, element, unknown=invariant.severity == "warning")


class _Test:
    """Compiled when it is first needed: most types are never met."""

    def __init__(self, type_name: str, text: str, element: str, *, unknown: bool) -> None:
        self.type_name = type_name
        self.text = text
        self.element = element
        self.unknown = unknown
        self.expression: Expression | None = None
        self.names: frozenset[str] | None = None

    def __call__(self, o: Json) -> bool:
        if self.expression is None:
            self._compile()
        if self.names is not None and self.names.isdisjoint(o):
            return True
        return self._holds(o)

    def _compile(self) -> None:
        """An expression that is true of nothing at all need not run where nothing of what it names is there."""
        from tuetinh.record import fhirpath

        self.expression = fhirpath.compile(self.text)
        names = self.expression.names
        if self.element:
            self.names = frozenset([self.element])
        elif names is not None and self._holds({}):
            kind = fhirpath.kinds()[self.type_name]
            self.names = frozenset(key for name in names for key, _ in kind.steps.get(name, ()))
            self.names |= frozenset(f"_{key}" for key in self.names)

    def _holds(self, o: Json) -> bool:
        from tuetinh.record import fhirpath

        assert self.expression is not None  # noqa: S101
        node = fhirpath.root(o, self.type_name)
        try:
            places = node.child(self.element) if self.element else [node]
            return all(self.expression.holds(place, unknown=self.unknown) for place in places)
        except fhirpath.FHIRPathError:
            return True
