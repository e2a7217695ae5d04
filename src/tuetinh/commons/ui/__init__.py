"""The shell of every page: rail, search field, person banner, forms, tables, charts; and the page assets.

For everyone. Speaks HTML with HTMX, WCAG 2.2 AA.
"""

from __future__ import annotations
