"""What an expression can be refused for."""

from __future__ import annotations


class FHIRPathError(ValueError):
    """An expression that has no answer; the message says why."""


class ParseError(FHIRPathError):
    """The text is no FHIRPath. `position` counts characters from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message} at position {position + 1}")
        self.position = position


class SemanticError(FHIRPathError):
    """The expression can have no meaning: a function that is not there, a path that the type does not have."""


class EvaluationError(FHIRPathError):
    """The values do not fit the operation: more than one where one is needed, a type that has no order."""


class LimitError(FHIRPathError):
    """The expression is longer, deeper or dearer than what is allowed."""
