"""Who may write what opens a record or shuts it: Consents about access, and RelatedPersons that say who acts for whom.

Never who gains from it. The pages of the house write them by their own verbs (`carers`, `forbidding`, shares), which
name the type among their scopes. Through an app it is the person themself, or the records office with the verification
in the Consent; a connected system needs a scope that names the type. Imports of the house go on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from tuetinh.commons.access.sight.consents import SCOPE
from tuetinh.commons.access.sight.relations import RELATED_PATIENT
from tuetinh.record import r4
from tuetinh.record.asker import Asker
from tuetinh.record.errors import Forbidden
from tuetinh.record.steps import Query, Step

OFFICE: Final = "archivist"
"""The desk that writes down, through an app of its own, what people asked for in writing."""
R = TypeVar("R", bound=r4.Resource)


@dataclass(frozen=True, slots=True)
class Guard:
    """type: of the resources. concerns: whether a version of one opens or shuts a record."""

    type: str
    concerns: Callable[[r4.Resource], bool]

    def admit(self, asker: Asker, resource: R) -> Step[R]:
        """The resource as it is, from whom may write it. Raises Forbidden."""
        yield from self._check(asker, str(resource.id), resource)
        return resource

    def release(self, asker: Asker, id_: str) -> Step[None]:
        """Let it be deleted. Raises Forbidden."""
        yield from self._check(asker, id_, None)

    def _check(self, asker: Asker, id_: str, after: r4.Resource | None) -> Step[None]:
        if asker.role == "system" and not asker.client:
            return  # the house itself
        before = yield from _stored(self.type, id_)
        versions = [one for one in (after, before) if one is not None and self.concerns(one)]
        if versions and not (_may(asker, self.type, after) and not any(_gains(asker, one) for one in versions)):
            message = (
                f"a {self.type} that opens or shuts a record is written by its person, or by a desk that verified it"
            )
            raise Forbidden(message)


def opens_or_shuts(resource: r4.Resource) -> bool:
    """Whether it is a Consent about access to the record."""
    scope = resource.scope if isinstance(resource, r4.Consent) else None
    return any(coding.code == SCOPE for coding in (scope.coding if scope else None) or ())


def ties(resource: r4.Resource) -> bool:
    """Whether it is a RelatedPerson who is known here, and so may act for the patient."""
    return any(one.url == RELATED_PATIENT for one in getattr(resource, "extension", None) or ())


def _stored(type_: str, id_: str) -> Step[r4.Resource | None]:
    """The current version, as far as it is there for whoever writes."""
    sql = f"""SELECT body FROM record."{type_}" WHERE type = '{type_}' AND id = %s AND NOT deleted"""
    rows = yield Query(sql, (id_,))
    return r4.decode(bytes(rows[0][0])) if rows else None


def _may(asker: Asker, type_: str, after: r4.Resource | None) -> bool:
    if not asker.client or asker.role == "system":
        return any(scope.partition("/")[2].partition(".")[0] == type_ for scope in asker.scopes)
    if asker.patient is not None:
        return asker.role == "citizen"
    return asker.role == OFFICE and isinstance(after, r4.Consent) and _is_verified(after)


def _is_verified(consent: r4.Consent) -> bool:
    return any(one.verified and one.verificationDate for one in consent.verification or ())


def _gains(asker: Asker, resource: r4.Resource) -> bool:
    """Whether an app or system would let in those for whom it asks."""
    provision = resource.provision if isinstance(resource, r4.Consent) and asker.client else None
    mine = {f"Organization/{asker.facility}", f"Practitioner/{asker.practitioner}"}
    waiting = [provision] if provision is not None else []
    while waiting:
        one = waiting.pop()
        waiting += one.provision or ()
        actors = {actor.reference.reference for actor in one.actor or () if actor.reference}
        if one.type == "permit" and actors & mine:
            return True
    return False
