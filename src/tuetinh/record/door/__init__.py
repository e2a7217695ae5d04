"""The `/fhir` door: FHIR R4's RESTful API (http.html) as a plain ASGI application.

It does not pass through Django: a request is read, answered by steps on the asynchronous pool, and sent. Every refusal
is an OperationOutcome. Who asks is told by the `authenticate` callable that the node gives.
"""

from __future__ import annotations

from tuetinh.record.door.app import Door

__all__ = ["Door"]
