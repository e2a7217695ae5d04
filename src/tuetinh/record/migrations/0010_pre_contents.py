"""Large contents as files: which resources use them, and the key that seals their stand-ins."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

TABLES = """
CREATE TABLE record.content (
    digest    bytea  NOT NULL,  -- SHA-256, by which the file is named
    size      bigint NOT NULL,
    type      text   NOT NULL COLLATE "C",
    id        text   NOT NULL COLLATE "C",
    shard     text   NOT NULL COLLATE "C",
    patient   text   COLLATE "C",
    custodian text   COLLATE "C",
    PRIMARY KEY (digest, type, id, shard)
);
CREATE INDEX content_user ON record.content (type, id);
CREATE TABLE record.content_key (key bytea NOT NULL);
INSERT INTO record.content_key
  SELECT sha256(convert_to(string_agg(gen_random_uuid()::text, ''), 'UTF8')) FROM generate_series(1, 4);
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0009_pre_audit_chain")]
    operations: ClassVar = [migrations.RunSQL(TABLES, "DROP TABLE record.content, record.content_key")]
