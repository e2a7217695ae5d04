"""What other modules may call of reception: visits and their queues."""

from __future__ import annotations

from tuetinh.care.reception.actions import (
    call,
    call_next,
    cancel,
    finish,
    hold,
    move,
    open_visit,
    reopen,
    set_away,
    start,
)
from tuetinh.care.reception.errors import AlreadyWaiting, NoVisit, ReceptionError, WrongState
from tuetinh.care.reception.queries import Room, Visit, ahead, of_person, rooms, visit, waiting
from tuetinh.care.reception.tickets import ticket
from tuetinh.care.reception.words import STATES

__all__ = [
    "STATES",
    "AlreadyWaiting",
    "NoVisit",
    "ReceptionError",
    "Room",
    "Visit",
    "WrongState",
    "ahead",
    "call",
    "call_next",
    "cancel",
    "finish",
    "hold",
    "move",
    "of_person",
    "open_visit",
    "reopen",
    "rooms",
    "set_away",
    "start",
    "ticket",
    "visit",
    "waiting",
]
