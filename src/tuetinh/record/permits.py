"""Whether an asker may do something to a type, and whether a version exists for them."""

from __future__ import annotations

from tuetinh.record import granular
from tuetinh.record.asker import Asker
from tuetinh.record.errors import Forbidden, NotFound

WORDS = {"c": "create", "r": "read", "u": "update", "d": "delete", "s": "search"}
ACCESS_LOG = "AuditEvent"


def allow(asker: Asker, interaction: str, type_: str, *, whole: bool = False) -> None:
    """Raise Forbidden unless a scope of the asker names the interaction on the type.

    whole: a scope with a query is not enough, where what is done cannot leave out what the query does not find.
    """
    if type_ == ACCESS_LOG and interaction in "cud":
        message = f"{type_} is answered from the access log; events of other systems are sent alone, or in a batch"
        raise Forbidden(message)
    if interaction in "cud" and type_ in asker.sight.closed.split():
        message = f"{type_} is not written by this desk"
        raise Forbidden(message)
    if not (asker.may(interaction, type_) or (not whole and asker.may_some(interaction, type_))):
        message = f"{WORDS[interaction]} of {type_} is not within the scopes of this account"
        raise Forbidden(message)


def sees(asker: Asker, patient: str | None) -> bool:
    """Whether a resource of this patient exists for the asker."""
    return asker.patient is None or asker.patient == patient


def shows(asker: Asker, interaction: str, type_: str, patient: str | None, body: bytes | None) -> bool:
    """Whether this version exists for the asker and the interaction: compartment, then the queries of its scopes."""
    return sees(asker, patient) and granular.within_body(granular.clauses(asker.scopes, interaction, type_), body)


def absent(type_: str, id_: str) -> NotFound:
    """The error for what is not there, or not for the asker: they must not tell one from the other."""
    return NotFound(f"{type_}/{id_} is not known")
