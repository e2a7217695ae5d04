"""Let rows without a label exist by relation without a call of a function for each, which took ten times as long.

Most of what a desk asks for is of patients who forbid nothing: what the asker's facility answers for, and what is of
those to whom it stands in a relation. The answer for them stands in the policy's own text; `record.lets` is asked for
all others, and says the same of these.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

from tuetinh.record.postgresql import policies
from tuetinh.record.types import RESOURCE_TYPES

ALWAYS = frozenset({"CodeSystem", "ConceptMap", "NamingSystem", "SearchParameter", "StructureDefinition", "ValueSet"})
"""What everybody sees (`record.sight`): their policies stay."""
GATHERING = frozenset({"Bundle", "Linkage", "List", "MessageHeader", "Provenance", "QuestionnaireResponse"})
WHOLE = (
    "(current_setting('tuetinh.open', true) = ' * ' OR strpos(current_setting('tuetinh.open', true), ' {type} ') > 0)"
)
NEAR = WHOLE.replace("tuetinh.open", "tuetinh.related")
OWN = "custodian = nullif(current_setting('tuetinh.facility', true), '')"
# The planner reads settings also where nobody is told. Said by CASE: of COALESCE it does not know that it tells nothing
# of a row, so that no index could be used.
TOLD = "CASE WHEN nullif(current_setting('{name}', true), '') IS NULL THEN '{none}' ELSE current_setting('{name}') END"
HOLDERS = f"({TOLD.format(name='tuetinh.holders', none='{{}}')})::text[]"
AFTER = f"make_interval(days => ({TOLD.format(name='tuetinh.after', none='0')})::integer)"
# What somebody gave who acts for the patient hangs on their own right, which the function looks for.
# With OFFSET the planner does not weigh reading all relations or denials at once.
HELD = f"""EXISTS (SELECT FROM record.relation k
  WHERE k.patient = {{table}}.patient AND k.holder = ANY ({HOLDERS}) AND k.since <= now()
    AND k.until > now() - CASE WHEN k.kind IN ('treating', 'episode', 'referral', 'consultation', 'appointment')
      THEN {AFTER} ELSE interval '0' END
    AND (k.through = '' OR record.lets('{{type}}', {{table}}.patient, {{table}}.custodian, 0)) OFFSET 0)"""
PLAIN = """labels = 0 AND nullif(current_setting('tuetinh.open', true), '') IS NOT NULL
  AND NOT EXISTS (SELECT FROM record.denial d WHERE d.patient = {table}.patient OFFSET 0)"""
LETS = "record.lets('{type}', patient, custodian, labels)"
BY_RELATION = f"{NEAR} AND ({OWN} OR {HELD})"
OF_PEOPLE = f"CASE WHEN {PLAIN} THEN {WHOLE} OR {BY_RELATION} ELSE {LETS} END"
GATHERED = f"""CASE WHEN {PLAIN}
  THEN ({WHOLE} AND (patient IS NOT NULL OR {OWN})) OR ({BY_RELATION}) ELSE {LETS} END"""
BETWEEN = f"CASE WHEN {PLAIN} THEN {WHOLE} OR {NEAR} AND (patient IS NULL OR {OWN} OR {HELD}) ELSE {LETS} END"
"""A Task of no patient goes between facilities, such as the transport of specimens: it names things by reference."""
PEOPLE = f"(labels = 0 AND {WHOLE}) OR CASE WHEN {PLAIN} THEN {BY_RELATION} ELSE {LETS} END"
"""A Patient is known by name whatever it forbids."""

UNFORBIDDEN = " AND NOT EXISTS (SELECT FROM record.denial d WHERE d.patient = {table}.patient OFFSET 0)"
BEFORE = f"(labels = 0 AND {WHOLE}{UNFORBIDDEN}) OR {LETS}"
BEFORE_GATHERED = f"(labels = 0 AND patient IS NOT NULL AND {WHOLE}{UNFORBIDDEN}) OR {LETS}"
BEFORE_PEOPLE = f"(labels = 0 AND {WHOLE}) OR {LETS}"


def altered(of_people: str, gathered: str, people: str, between: str) -> list[str]:
    """The statements that give the rows of every type, and their history, these conditions."""
    made = []
    for type_ in (one for one in RESOURCE_TYPES if one not in ALWAYS):
        special = {"Patient": people, "Task": between} | dict.fromkeys(GATHERING, gathered)
        rows = special.get(type_, of_people)
        for table in (f'record."{type_}"', f'record."{type_}_history"'):
            told = rows.format(type=type_, table=table)
            made.append(f"ALTER POLICY door ON {table} USING ({policies.EVERYTHING} OR {told})")
    return made


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0042_pre_through")]
    operations: ClassVar = [
        migrations.RunSQL(
            [*altered(OF_PEOPLE, GATHERED, PEOPLE, BETWEEN)], [*altered(BEFORE, BEFORE_GATHERED, BEFORE_PEOPLE, BEFORE)]
        )
    ]
