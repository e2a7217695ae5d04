"""Who is told when a person's insurance has changed: a card came or is another, a paper was entered or taken back."""

from __future__ import annotations

from collections.abc import Callable

_followers: list[Callable[[str], None]] = []


def register(follower: Callable[[str], None]) -> None:
    """Have a function called with the id of the patient, inside the transaction of the change."""
    _followers.append(follower)


def insurance_changed(patient: str) -> None:
    """Tell them."""
    for follower in _followers:
        follower(patient)
