"""The access log: who did what with whose record, when, where and for what purpose.

Writes are logged in the statement that writes (`record.statements`), reads a moment later (`log`, `waiting`). What is
logged is sealed in blocks that are chained by their hashes (`chain`), so that a change, a removal or a reordering is
found, and lives in a partition for each month (`months`). It is answered as AuditEvent (`reading`, `event`), and
takes events of other systems (`sent`).
"""

from __future__ import annotations

from tuetinh.record.audit.archive import kept_here
from tuetinh.record.audit.log import REFUSED, act, given_out, note, one_request, store_left, writer

__all__ = ["REFUSED", "act", "given_out", "kept_here", "note", "one_request", "store_left", "writer"]
