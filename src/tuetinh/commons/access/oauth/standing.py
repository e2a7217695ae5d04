"""What an account or a connected system that asked earlier may do now."""

from __future__ import annotations

from dataclasses import replace

from tuetinh.commons.access.oauth.scopes import cut, for_person, split
from tuetinh.commons.access.roles import ROLES
from tuetinh.commons.access.sight import rules
from tuetinh.record.asker import Asker
from tuetinh.record.steps import Query, Step

_CLIENT = "SELECT scopes, facility FROM access_client WHERE id = %s AND is_active"
_ACCOUNT = """SELECT role, facility, patient, practitioner FROM access_account
WHERE id = %s AND is_active AND NOT must_change_password"""
_GRANT = "SELECT 1 FROM access_grant WHERE client_id = %s AND account_id = %s AND NOT ended LIMIT 1"


def now(owner: Asker) -> Step[Asker | None]:
    """The asker with its present rights, never more than it had; None when it is shut out, or the app let go."""
    scopes, facility = owner.scopes, owner.facility
    if owner.client:
        rows = yield Query(_CLIENT, (owner.client,))
        if not rows:
            return None
        scopes = frozenset(str(one) for one in cut(split(" ".join(scopes))[1], split(rows[0][0])[1]))
        if owner.account == f"client:{owner.client}":
            return replace(owner, scopes=scopes, facility=rows[0][1])
        if not (yield Query(_GRANT, (owner.client, int(owner.account)))):
            return None
    if not owner.account.isdigit():
        return None
    rows = yield Query(_ACCOUNT, (int(owner.account),))
    if not rows:
        return None
    name, facility, own, practitioner = rows[0]
    role = ROLES[name]
    if role.level == "patient" and (own or "-") != owner.patient:
        return None
    scopes = for_person(scopes, role)
    ruled = yield from rules.step()
    return ruled.told(replace(owner, role=name, scopes=scopes, facility=facility, practitioner=practitioner))
