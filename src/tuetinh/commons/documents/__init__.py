"""Print forms: from data to PDF, with the common head, number and code of the facility's papers. For every desk.

Speaks Typst inside and PDF/A-2b (ISO 19005-2) at the edge.
"""

from __future__ import annotations
