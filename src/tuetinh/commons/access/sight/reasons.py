"""Why an account may or may not see a patient's record: answered by the row policies, with what they go by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from tuetinh.commons.access.models import Account
from tuetinh.commons.access.sight.rules import Rule, holders
from tuetinh.record.asker import Asker
from tuetinh.record.labels import BITS
from tuetinh.record.steps import enter

_RELATIONS = """
SELECT kind, source, CASE WHEN until = 'infinity' THEN NULL ELSE until END,
       since <= now() AND until > now() - CASE
         WHEN kind IN ('treating', 'episode', 'referral', 'consultation', 'appointment')
         THEN make_interval(days => %s) ELSE interval '0' END,
       CASE WHEN kind IN ('registered', 'appointment') THEN 'kind' WHEN until <= now() THEN 'ended'
         WHEN made_by = %s AND made_by <> '' THEN 'alone' ELSE '' END
FROM record.relation WHERE patient = %s AND holder = ANY (%s) ORDER BY until DESC, kind, source LIMIT 50"""
_DENIALS = """
SELECT facility, purpose FROM record.denial
WHERE patient = %s AND (facility IN ('', %s) OR facility = ANY (%s)) AND purpose IN ('', %s) AND since <= now()
  AND until > now() ORDER BY 1, 2 LIMIT 50"""
_LETS = "SELECT record.lets(%s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Tie:
    """A relation. kind: as in `record.relations`. until: its end, None while it is open. holds: whether it counts.

    shut: why it does not open sensitive data: its `kind` never does, it has `ended`, the account `alone` has written it
    down; "" where it does.
    """

    kind: str
    source: str
    until: datetime | None
    holds: bool
    shut: str


@dataclass(frozen=True, slots=True)
class Reasons:
    """sees: ordinary data, written anywhere. labels: which sensitive data; own_labels: which of what the own facility
    has written. ties, denials: what that comes from.

    reads: whether the role reads anything of patients at all. own: the account is a citizen's; whether it is this
    person's is in `sees`.
    """

    rule: Rule
    reads: bool
    own: bool
    sees: bool
    labels: tuple[str, ...]
    own_labels: tuple[str, ...]
    ties: tuple[Tie, ...]
    denials: tuple[tuple[str, str], ...]


def why(account: Account, asker: Asker, rule: Rule, types: tuple[str, ...], patient: str) -> Reasons:
    """Tell what exists of the patient for the account.

    asker: the account's own. types: what its role comes to. Tells nothing of what the record holds.
    """
    type_ = next((one for one in ("Condition", "Observation", "Encounter") if one in types or "*" in types), "")
    with transaction.atomic():
        enter(asker)
        with connection.cursor() as cursor:

            def lets(custodian: str | None, bit: int) -> bool:
                cursor.execute(_LETS, [type_, patient, custodian, bit])
                return bool(type_) and bool(cursor.fetchone()[0])

            sees = lets(None, 0)
            labels = tuple(label for label, bit in BITS.items() if lets(None, bit))
            own_labels = tuple(label for label, bit in BITS.items() if lets(asker.facility, bit))
            held = list(holders(asker.account, asker.facility, asker.practitioner))
            cursor.execute(_RELATIONS, [rule.after_days, asker.account, patient, held])
            ties = tuple(Tie(*row) for row in cursor.fetchall())
            cursor.execute(_DENIALS, [patient, asker.facility, held, asker.purpose])
            denials = tuple(cursor.fetchall())
    own = account.role == "citizen"
    return Reasons(rule, bool(type_), own, sees, labels, own_labels, () if own else ties, () if own else denials)
