"""Accept at once what the rules hold nothing against."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tuetinh.care.insurance.api import Stopped
from tuetinh.care.lab.errors import REFUSALS
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.results import validation
from tuetinh.record.asker import Asker

LARGEST = 100  # tubes: a person waits for the answer


def verify_passed(asker: Asker, numbers: Iterable[str]) -> tuple[int, int]:
    """Validate the tubes that nothing is held of, as a technician; tell how many were, and how many were left."""
    return _each(asker, numbers, Tube.Stage.RESULTED, validation.verify)


def release_passed(asker: Asker, numbers: Iterable[str]) -> tuple[int, int]:
    """Sign the validated tubes that nothing is held of; tell how many were, and how many were left."""
    return _each(asker, numbers, Tube.Stage.VERIFIED, validation.release)


def _each(asker: Asker, numbers: Iterable[str], stage: str, do: Callable[[Asker, str], Tube]) -> tuple[int, int]:
    asked = list(dict.fromkeys(numbers))[:LARGEST]
    passed = set(
        Tube.objects.filter(
            facility=asker.facility, number__in=asked, stage=stage, holds=[], critical=False
        ).values_list("number", flat=True)
    )
    done = 0
    for number in asked:
        if number not in passed:
            continue
        try:
            do(asker, number)
        except (*REFUSALS, Stopped):
            continue
        done += 1
    return done, len(asked) - done
