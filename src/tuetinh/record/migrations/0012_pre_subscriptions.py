"""Ring when the change feed grows; keep subscriptions, what waits for them, and how far the feed was read."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

RING = """
-- Notifying commits wait for one another. So of those that are committing at the same moment one rings for all; whoever
-- listens looks again until those that were under way have ended (see feed.py).
CREATE FUNCTION record.ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_try_advisory_xact_lock(hashtext('record.feed ring')) THEN
    PERFORM pg_notify('record_feed', '');
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ring AFTER INSERT ON record.feed DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION record.ring();
"""
TABLES = """
CREATE TABLE record.feed_reader (
    name     text   PRIMARY KEY,
    position bigint NOT NULL  -- the feed was read up to here
);
INSERT INTO record.feed_reader SELECT 'subscriptions', coalesce(max(position), 0) FROM record.feed;
CREATE TABLE record.subscription (
    id         text        PRIMARY KEY COLLATE "C",
    status     text        NOT NULL,  -- requested, active, error, off
    channel    text        NOT NULL,  -- rest-hook, websocket, email
    owner      jsonb       NOT NULL,  -- the asker who wrote it
    resource   bytea       NOT NULL,  -- the Subscription, without the values of its headers
    headers    bytea,                 -- these values, sealed
    ends       timestamptz,
    begins     bigint,                -- position in the feed from which on it is matched; NULL: not met there yet
    position   bigint,                -- where it is behind the others in the feed; NULL: it is not
    events     bigint      NOT NULL DEFAULT 0,  -- number of the last event
    delivered  bigint      NOT NULL DEFAULT 0,  -- number of the last event that was delivered, or given up
    shaken     boolean     NOT NULL DEFAULT false,  -- the receiver has accepted a handshake
    beats      boolean     NOT NULL DEFAULT false,  -- heartbeats are wanted
    paused     boolean     NOT NULL DEFAULT false,
    tries      integer     NOT NULL DEFAULT 0,  -- in vain since the last success
    next_try   timestamptz,
    failing    timestamptz,           -- since when
    error      text        NOT NULL DEFAULT '',
    sent       timestamptz            -- the last notification of any kind
);
CREATE INDEX subscription_ends ON record.subscription (ends) WHERE ends IS NOT NULL AND status <> 'off';
CREATE INDEX subscription_behind ON record.subscription (id) WHERE position IS NOT NULL;
CREATE INDEX subscription_waiting ON record.subscription (next_try) WHERE events > delivered AND status <> 'off';
CREATE TABLE record.subscription_event (
    subscription text        NOT NULL COLLATE "C",
    number       bigint      NOT NULL,
    position     bigint      NOT NULL,
    at           timestamptz NOT NULL,
    type         text        NOT NULL COLLATE "C",
    id           text        NOT NULL COLLATE "C",
    version      integer     NOT NULL,
    change       text        NOT NULL,  -- create, update, delete
    PRIMARY KEY (subscription, number)
);
CREATE INDEX subscription_event_at ON record.subscription_event (at);
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0011_pre_bulk")]
    operations: ClassVar = [
        migrations.RunSQL(RING, "DROP TRIGGER ring ON record.feed; DROP FUNCTION record.ring()"),
        migrations.RunSQL(
            TABLES, "DROP TABLE record.subscription_event, record.subscription, record.feed_reader"
        ),
    ]
