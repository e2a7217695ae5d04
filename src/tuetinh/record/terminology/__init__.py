"""Terminology: what codes mean.

For the desks it is the search box of every coded field; for other systems it is FHIR's terminology service (R4,
`terminology-service.html`): CodeSystem, ValueSet and ConceptMap with $lookup, $validate-code, $subsumes, $expand,
$translate and $closure, and UCUM for units of measure.
"""

from __future__ import annotations
