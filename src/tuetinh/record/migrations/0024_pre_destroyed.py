"""What was destroyed: the hash of each version and the decision, seen by whom the resource was seen. Nobody changes it."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

TABLE = """
CREATE TABLE record.destroyed (
    type      text        NOT NULL COLLATE "C",
    id        text        NOT NULL COLLATE "C",
    shard     text        NOT NULL COLLATE "C",
    version   integer     NOT NULL,
    updated   timestamptz NOT NULL,
    patient   text        COLLATE "C",
    custodian text        COLLATE "C",
    labels    integer     NOT NULL,
    sha256    text        NOT NULL,
    decision  text        NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (type, id, version, shard)
);
CREATE INDEX destroyed_decision ON record.destroyed (decision, type, id, version);
ALTER TABLE record.destroyed ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON record.destroyed FOR SELECT USING (
  nullif(current_setting('tuetinh.everything', true), '') <> 'no' OR record.lets(type, patient, custodian, labels));
CREATE POLICY added ON record.destroyed FOR INSERT WITH CHECK (
  nullif(current_setting('tuetinh.everything', true), '') <> 'no' OR record.lets(type, patient, custodian, labels));
CREATE POLICY emptied ON record.destroyed FOR DELETE USING (current_setting('tuetinh.everything', true) = 'yes');
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0023_pre_audit_agents")]
    operations: ClassVar = [migrations.RunSQL([TABLE])]
