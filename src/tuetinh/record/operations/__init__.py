"""The operations of the door (FHIR R4 operations.html): `$name` on the system, a type, or one resource.

One operation is one small file: it declares what it is called, where it may be called and with what, and holds the
step that answers. The registry lists the files; the door routes, checks the parameters and says no for all of them.
"""

from __future__ import annotations

from tuetinh.record.operations.declare import Asked, Level, Operation, Out, Param, Reply
from tuetinh.record.operations.registry import find, known, names

__all__ = ["Asked", "Level", "Operation", "Out", "Param", "Reply", "find", "known", "names"]
