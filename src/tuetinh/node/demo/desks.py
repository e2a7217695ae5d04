"""Today's people at the desks of the cast, so that the province is alive when it is first opened."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from tuetinh.node.demo import people, places
from tuetinh.record.asker import SYSTEM, Asker

RECEPTION = "tuetinh.care.reception"
# Who comes where, by the number of the person: the citizen of the cast is left for whoever tries the platform.
WAITING = (
    ("noi-1", "Ho, sốt 3 ngày", 5),
    ("noi-1", "Tái khám tăng huyết áp", 6),
    ("noi-1", "Đau thượng vị, ợ chua", 9),
    ("noi-1", "Đau đầu, chóng mặt", 12),
    ("noi-2", "Đau khớp gối", 15),
    ("noi-2", "Mệt mỏi, ăn kém", 18),
    ("nhi", "Sốt, ho, sổ mũi", 4),
    ("san", "Khám thai định kỳ", 3),
)


def open_today() -> None:
    """Let a few people wait at the health centre of the cast, unless someone waits there already."""
    if find_spec(RECEPTION) is None or find_spec(f"{RECEPTION}.api") is None:
        return  # a node without a reception has no queue
    reception = import_module(f"{RECEPTION}.api")
    desk = Asker(account="system", role="reception", facility=places.CAST, scopes=SYSTEM.scopes)
    if any(reception.waiting(desk, f"{places.CAST}-{room}") for room in {room for room, _, _ in WAITING}):
        return
    from tuetinh.record import api as record

    known = record.read_many(SYSTEM, "Patient", [_patient(number) for _, _, number in WAITING])
    for room, reason, number in WAITING:
        if _patient(number) in known:
            reception.open_visit(
                desk, _patient(number), facility=places.CAST, room=f"{places.CAST}-{room}", reason=reason
            )


def _patient(number: int) -> str:
    return f"{people.CITIZEN[:2]}{number:07}"
