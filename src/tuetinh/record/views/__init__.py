"""SQL on FHIR v2: ViewDefinitions, which flatten resources into rows, over JSON in memory and inside PostgreSQL."""

from __future__ import annotations

from tuetinh.record.views.definition import View, ViewError, read
from tuetinh.record.views.flatten import rows

__all__ = ["View", "ViewError", "read", "rows"]
