"""Bulk data: the jobs that were asked for, and whose records an export has written so far."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

TABLES = """
CREATE TABLE record.bulk_job (
    id       text        PRIMARY KEY COLLATE "C",
    kind     text        NOT NULL,               -- export, import
    asker    jsonb       NOT NULL,               -- who asked, as the record knew them then
    request  text        NOT NULL,               -- the address of the kick-off
    asked    jsonb       NOT NULL,               -- what was asked, see bulk/export.py and bulk/importing.py
    patients text[]      COLLATE "C",            -- whose records alone; NULL: not limited
    state    text        NOT NULL DEFAULT 'accepted',  -- accepted, running, done, failed
    created  timestamptz NOT NULL DEFAULT now(),
    moment   timestamptz,                        -- transactionTime
    expires  timestamptz,
    progress text        NOT NULL DEFAULT '',
    position jsonb       NOT NULL DEFAULT '{}',  -- where it goes on
    files    jsonb       NOT NULL DEFAULT '[]',
    problem  text        NOT NULL DEFAULT ''     -- why it failed
);
CREATE INDEX bulk_job_account ON record.bulk_job ((asker->>'account'));
CREATE TABLE record.bulk_seen (
    job     text NOT NULL COLLATE "C" REFERENCES record.bulk_job ON DELETE CASCADE,
    patient text NOT NULL COLLATE "C",           -- '' for what belongs to nobody
    type    text NOT NULL COLLATE "C",
    PRIMARY KEY (job, patient, type)
);
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0010_pre_contents")]
    operations: ClassVar = [migrations.RunSQL(TABLES, migrations.RunSQL.noop)]
