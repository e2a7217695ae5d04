"""Chain the access log: positions drawn within numbered transactions, blocks with hashes, a partition for each month."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TABLES = """
ALTER TABLE record.audit RENAME TO audit_before;
ALTER TABLE record.audit_default RENAME TO audit_before_default;
CREATE SEQUENCE record.audit_position;
-- The number of the transaction comes first: whoever has drawn a position is among the numbered ones (see audit/chain.py).
CREATE FUNCTION record.next_audit_position() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_current_xact_id();
  RETURN nextval('record.audit_position');
END $$;
CREATE TABLE record.audit (
    position  bigint      NOT NULL DEFAULT record.next_audit_position(),
    at        timestamptz NOT NULL,
    account   text        NOT NULL,
    role      text        NOT NULL,
    facility  text        NOT NULL,
    purpose   text        NOT NULL,
    client    text        NOT NULL DEFAULT '',
    action    text        NOT NULL,  -- create, read, update, delete, search, …
    type      text        NOT NULL COLLATE "C",  -- one, or several with commas between
    id        text        NOT NULL COLLATE "C",
    patient   text        COLLATE "C"
) PARTITION BY RANGE (at);
CREATE INDEX audit_patient ON record.audit (patient, at);
CREATE INDEX audit_positions ON record.audit (position);
CREATE TABLE record.audit_default PARTITION OF record.audit DEFAULT;
INSERT INTO record.audit
  SELECT position, at, account, role, facility, purpose, '', action, type, id, patient FROM record.audit_before;
SELECT setval('record.audit_position', greatest((SELECT max(position) FROM record.audit), 1));
DROP TABLE record.audit_before;
CREATE TABLE record.audit_block (
    number  bigint      PRIMARY KEY,
    "end"   bigint      NOT NULL,  -- last position of the block; it begins after the end of the block before
    entries integer     NOT NULL,
    hash    bytea       NOT NULL,
    at      timestamptz NOT NULL
);
"""


def partition(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    from tuetinh.record.audit.months import prepare

    prepare()


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0008_post_search_values")]
    operations: ClassVar = [migrations.RunSQL(TABLES), migrations.RunPython(partition, migrations.RunPython.noop)]
