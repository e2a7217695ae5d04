"""The shell of every page: rail, search field, person banner, forms, tables, charts; and the page assets. For everyone."""

from __future__ import annotations
