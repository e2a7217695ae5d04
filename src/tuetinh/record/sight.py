"""Which rows of the record exist for an asker, as the row policies of the database are told (`sql/lets.sql`).

The record knows three ways to see a resource type: whole, by relation to the patient, or within one patient's
compartment. Who sees what in which way is decided above and handed down as a `Sight`; without one nothing exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tuetinh.record.asker import Asker

ALL_LABELS: Final = -1

SETTINGS: Final = (
    *("account", "facility", "own", "whole", "related", "holders"),
    *("labels", "purpose", "after", "everything", "open", "here", "elsewhere", "closed"),
)
ENTER: Final = "SELECT " + ", ".join(f"set_config('tuetinh.{name}', %s, false)" for name in SETTINGS)
"""Tells a connection who asks. The settings outlive the statement: they are told again when somebody else asks."""

MEANWHILE: Final = ENTER.replace("%s, false", "%s, true")
"""The same until the transaction ends."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What exists for an asker.

    whole: resource types of which every row exists, separated by spaces; `*` for all types. Rows with a label need a
        relation all the same, and what a patient forbids is left out.
    related: types of which those rows exist that the asker's facility answers for, or whose patient stands in a
        relation (`record.relation`) to one of `holders`.
    holders: names under which relations to the asker are kept: `Organization/12104`, `Account/17`, …
    labels: bits of the sensitivity labels (`record.labels`) that the asker may see; a row with another bit is hidden.
        With `ALL_LABELS` neither labels nor what patients forbid count for whole types.
    here: bits of labels that it may see besides in rows that its facility answers for.
    after: days for which relations of care hold after its end.
    elsewhere: types of which it may change what another facility answers for; `*` for all. closed: types that it may
        not write at all, whatever its scopes say.
    """

    whole: str = ""
    related: str = ""
    holders: tuple[str, ...] = ()
    labels: int = 0
    after: int = 0
    here: int = 0
    elsewhere: str = "*"
    closed: str = ""

    def changes(self, type_: str, custodian: str | None, facility: str) -> bool:
        """Whether it may change a row that this facility answers for, if any, when it works at that one."""
        return custodian in (None, "", facility) or self.elsewhere == "*" or type_ in self.elsewhere.split()


NOTHING = Sight()
EVERYTHING = Sight(whole="*", labels=ALL_LABELS)
"""Every row: of the house itself and of systems that serve the whole province."""


def settings(asker: Asker) -> tuple[str, ...]:
    """What `SETTINGS` are for an asker: the parameters of `ENTER`."""
    sight = asker.sight
    holders = ",".join('"' + holder.replace("\\", "\\\\").replace('"', '\\"') + '"' for holder in sight.holders)
    return (
        asker.account,
        asker.facility,
        asker.patient or "",
        f" {sight.whole} ",
        f" {sight.related} ",
        f"{{{holders}}}",
        str(sight.labels),
        asker.purpose,
        str(sight.after),
        "yes" if sight == EVERYTHING and asker.patient is None else "no",
        f" {sight.whole} " if asker.account and asker.patient is None else "",
        str(sight.here),
        f" {sight.elsewhere} ",
        f" {sight.closed} ",
    )
