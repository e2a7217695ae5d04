"""Create the ledger of merged people, and the gate that writes about them pass."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

TABLES = """
CREATE TABLE record.merge (
    id             text        PRIMARY KEY COLLATE "C",
    source         text        NOT NULL COLLATE "C",
    target         text        NOT NULL COLLATE "C",
    at             timestamptz NOT NULL,
    account        text        NOT NULL,
    role           text        NOT NULL,
    facility       text        NOT NULL,
    reason         text        NOT NULL,
    moved          integer     NOT NULL DEFAULT 0,
    source_version integer     NOT NULL,   -- of the Patient before the merge; the one after it is the next
    target_version integer     NOT NULL,
    key            bigint      NOT NULL,   -- resources with a higher one were made after the merge
    undone         timestamptz,
    undone_account text,
    undone_role    text,
    undone_reason  text
);
CREATE UNIQUE INDEX merge_source ON record.merge (source) WHERE undone IS NULL;
CREATE INDEX merge_target ON record.merge (target) WHERE undone IS NULL;
CREATE INDEX merge_at ON record.merge (at);
-- What belongs to the source of a merge, and where in it the source was named: paths such as `participant.0.actor`.
CREATE TABLE record.merge_moved (
    merge text   NOT NULL COLLATE "C",
    type  text   NOT NULL COLLATE "C",
    id    text   NOT NULL COLLATE "C",
    paths text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (merge, type, id)
);
-- Rows of the modules' own tables that followed.
CREATE TABLE record.merge_row (
    merge text NOT NULL COLLATE "C",
    place text NOT NULL COLLATE "C",  -- table.column
    row   text NOT NULL COLLATE "C",
    PRIMARY KEY (merge, place, row)
);
-- A write passes the gate of everyone whom it names and keeps it until its transaction ends; a merge shuts the gate of
-- the vanishing one. 256 gates are enough, and no transaction holds more of them. Volatile: what was committed while it
-- waited is seen. Returns whether nobody of them was merged into somebody else.
CREATE FUNCTION record.pass(people text[]) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE person text;
BEGIN
  FOREACH person IN ARRAY people LOOP
    PERFORM pg_advisory_xact_lock_shared(740074, hashtext(person) & 255);
  END LOOP;
  RETURN NOT EXISTS (SELECT FROM record.merge WHERE source = ANY(people) AND undone IS NULL);
END $$;
"""
DROP = "DROP FUNCTION record.pass(text[]); DROP TABLE record.merge_row, record.merge_moved, record.merge;"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0015_post_location_near")]
    operations: ClassVar = [migrations.RunSQL(TABLES, DROP)]
