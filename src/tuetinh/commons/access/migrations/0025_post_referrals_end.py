"""Let relations that were kept of referrals without an end count as long as their papers; who made them stays."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

ENDLESS = """SELECT key, id, version, patient, body FROM record."ServiceRequest" r
WHERE type = 'ServiceRequest' AND NOT deleted AND key > %s AND EXISTS (
  SELECT FROM record.relation k
  WHERE k.source = 'ServiceRequest/' || r.id AND k.kind = 'referral' AND k.until = 'infinity')
ORDER BY key LIMIT 1000"""
END = """UPDATE record.relation k SET until = w.until
FROM unnest(%s::text[], %s::timestamptz[]) AS w(source, until) WHERE k.source = w.source AND k.kind = 'referral'"""


def shorten(apps: StateApps | None, editor: BaseDatabaseSchemaEditor | None) -> None:  # noqa: ARG001
    from tuetinh.commons.access.sight import relations
    from tuetinh.record import r4
    from tuetinh.record.asker import SYSTEM
    from tuetinh.record.projections import Written
    from tuetinh.record.statements import array
    from tuetinh.record.steps import Query, Step, run

    def some(after: int) -> Step[int | None]:
        rows = yield Query(ENDLESS, [after])
        found = [
            one
            for key, id_, version, patient, body in rows
            for one in relations.of(Written("ServiceRequest", id_, key, version, patient, r4.decode(body)))
        ]
        yield Query(END, [array(one.source for one in found), array(one.until for one in found)])
        return int(rows[-1][0]) if rows else None

    last: int | None = 0
    while last is not None:
        with transaction.atomic():
            last = run(SYSTEM, some(last))


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("access", "0024_pre_by_relation"), ("record", "0043_post_by_relation")]
    operations: ClassVar = [migrations.RunPython(shorten, migrations.RunPython.noop)]
