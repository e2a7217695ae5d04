"""Events of other systems: what they tell of themselves, kept in the access log beside what the node has seen.

Such an entry says of the node's own knowledge who sent it, when and from where; what the event claims stands in a
column of its own. So it is sealed, kept, guarded and archived as every entry, and never counts as done here.
"""

from __future__ import annotations

import re
from typing import Final

from tuetinh.record import origin, r4
from tuetinh.record.asker import Asker
from tuetinh.record.audit import chain
from tuetinh.record.audit.event import Entry
from tuetinh.record.audit.reading import NAME
from tuetinh.record.errors import BadRequest, Forbidden, TooLarge
from tuetinh.record.steps import Query, Step

SENT: Final = "sent"
LONGEST: Final = 64 * 1024  # bytes of an event
# With the number of its transaction, so that the sender is told of the entry, whom the row policies show no other.
_ADD: Final = f"""INSERT INTO record.audit
  (at, account, role, facility, purpose, client, action, type, id, patient, address, agent, event, number)
VALUES (now(), %s, %s, %s, %s, %s, '{SENT}', '{NAME}', '', %s, %s, %s, %s, pg_current_xact_id())
RETURNING {chain.COLUMNS}, {chain.ADDED}"""


def allow(asker: Asker) -> None:
    """Raise Forbidden for all but systems with a scope to create events: people do things, and these are logged."""
    if asker.role != "system" or not asker.may("c", NAME):
        raise Forbidden(f"{NAME}s are taken from connected systems with the scope system/{NAME}.c")


def send(asker: Asker, event: r4.AuditEvent, base: str) -> Step[Entry]:
    """Keep a valid event. Raises Forbidden, BadRequest, TooLarge."""
    allow(asker)
    event.id = event.meta = None
    body = r4.encode(event).decode()
    if len(body) > LONGEST:
        raise TooLarge(f"an {NAME} has at most {LONGEST} bytes")
    patients = {found[1] for entity in event.entity or () if (found := _patient(entity, base))}
    if len(patients) > 1:
        raise BadRequest("an event is about one patient: send one for each", f"{NAME}.entity")
    address, agent = origin.where()
    who = (asker.account, asker.role, asker.facility, asker.purpose, asker.client)
    rows = yield Query(_ADD, (*who, next(iter(patients), None), address, agent, body))
    return Entry(*rows[0])


def _patient(entity: r4.AuditEventEntity, base: str) -> re.Match[str] | None:
    """The id of the Patient of this node that is meant."""
    text = (entity.what.reference if entity.what else None) or ""
    return re.fullmatch(r"Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/.*)?", text.removeprefix(f"{base}/"))
