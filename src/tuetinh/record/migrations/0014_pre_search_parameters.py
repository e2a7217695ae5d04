"""Keep the search parameters that users add, and how far the index is made for them and for what is asked anew."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

TABLES = """
CREATE SEQUENCE record.search_generations;
-- One row: moves when parameters do. A number is never used twice, not even by what was rolled back.
CREATE TABLE record.search_generation (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    number bigint  NOT NULL
);
CREATE TABLE record.search_parameter (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         text   NOT NULL COLLATE "C",  -- of the SearchParameter
    url        text   NOT NULL,
    base       text   NOT NULL COLLATE "C",  -- one resource type
    code       text   NOT NULL COLLATE "C",
    type       text   NOT NULL,
    expression text   NOT NULL,
    targets    text[] NOT NULL,
    components text   NOT NULL,              -- JSON: definition and expression of each part of a composite
    state      text   NOT NULL DEFAULT 'indexing' CHECK (state IN ('indexing', 'ready', 'leaving')),
    after      bigint NOT NULL DEFAULT 0,    -- key of the last resource that was looked at
    done       bigint NOT NULL DEFAULT 0,    -- how many were
    asked      timestamptz NOT NULL DEFAULT now(),
    ended      timestamptz
);
CREATE UNIQUE INDEX ON record.search_parameter (base, code) WHERE state <> 'leaving';
CREATE INDEX ON record.search_parameter (id);
CREATE TABLE record.reindexing (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type   text   NOT NULL COLLATE "C",
    after  bigint NOT NULL DEFAULT 0,
    done   bigint NOT NULL DEFAULT 0,
    asked  timestamptz NOT NULL DEFAULT now(),
    ended  timestamptz
);
CREATE UNIQUE INDEX ON record.reindexing (type) WHERE ended IS NULL;
"""
REVERSE = """
DROP TABLE record.reindexing, record.search_parameter, record.search_generation;
DROP SEQUENCE record.search_generations;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0013_pre_row_policies")]
    operations: ClassVar = [migrations.RunSQL(TABLES, REVERSE)]
