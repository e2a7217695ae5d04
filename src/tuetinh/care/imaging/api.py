"""What other modules may call of imaging."""

from __future__ import annotations

from tuetinh.care.imaging.archive.overview import check
from tuetinh.care.imaging.archive.recording import record_visit
from tuetinh.care.imaging.devices import first_device, machine_codes
from tuetinh.care.imaging.errors import Held
from tuetinh.care.imaging.exams import has_begun
from tuetinh.care.imaging.handover import doors
from tuetinh.care.imaging.handover.opened import Opened, opened, part_of
from tuetinh.care.imaging.handover.serving import respond_piece
from tuetinh.care.imaging.handover.showing import report_of
from tuetinh.care.imaging.remote.live import Together
from tuetinh.care.imaging.retention.actions import (
    Unvisited,
    destroy_study,
    destroyed,
    held_visits,
    study_uids,
    unvisited,
    unvisited_study,
)
from tuetinh.care.imaging.rooms.actions import first_rooms
from tuetinh.care.imaging.viewer.queries import Look, looks

__all__ = [
    "Held",
    "Look",
    "Opened",
    "Together",
    "Unvisited",
    "check",
    "destroy_study",
    "destroyed",
    "doors",
    "first_device",
    "first_rooms",
    "has_begun",
    "held_visits",
    "looks",
    "machine_codes",
    "opened",
    "part_of",
    "record_visit",
    "report_of",
    "respond_piece",
    "study_uids",
    "unvisited",
    "unvisited_study",
]
