"""Who is told when a person's insurance has changed: a card came or is another, a paper was entered or taken back."""

from __future__ import annotations

from typing import Protocol


class Follower(Protocol):
    """What is called with the id of the patient, inside the transaction of the change."""

    def __call__(self, patient: str, *, settled: bool) -> None:
        """Do what the change asks for. settled: whether it may reach what was paid already."""


_followers: list[Follower] = []


def register(follower: Follower) -> None:
    """Have a function called."""
    _followers.append(follower)


def insurance_changed(patient: str, *, settled: bool = False) -> None:
    """Tell them. settled: whether the change may reach what was paid already."""
    for follower in _followers:
        follower(patient, settled=settled)
