-- The record: current rows, index tables, history, change feed, access log. See docs/architecture.md.
CREATE SCHEMA record;

CREATE SEQUENCE record.resource_key AS bigint;

CREATE TABLE record.resource (
    type      text        NOT NULL COLLATE "C",
    id        text        NOT NULL COLLATE "C",
    shard     text        NOT NULL COLLATE "C",
    key       bigint      NOT NULL DEFAULT nextval('record.resource_key'),
    version   integer     NOT NULL,
    updated   timestamptz NOT NULL,
    xid       xid8        NOT NULL DEFAULT pg_current_xact_id(),
    patient   text        COLLATE "C",
    custodian text        COLLATE "C",
    deleted   boolean     NOT NULL DEFAULT false,
    tokens    bigint[]    NOT NULL,
    body      bytea,
    PRIMARY KEY (type, id, shard)
) PARTITION BY LIST (type);

CREATE TABLE record.date_index (
    type  text        NOT NULL COLLATE "C",
    shard text        NOT NULL COLLATE "C",
    key   bigint      NOT NULL,
    param text        NOT NULL COLLATE "C",
    low   timestamptz NOT NULL,  -- first instant that the value may mean
    high  timestamptz NOT NULL   -- first instant after it; 'infinity' for an open period
) PARTITION BY LIST (type);

CREATE TABLE record.number_index (
    type   text    NOT NULL COLLATE "C",
    shard  text    NOT NULL COLLATE "C",
    key    bigint  NOT NULL,
    param  text    NOT NULL COLLATE "C",
    system text    NOT NULL COLLATE "C",  -- '' for plain numbers and units without a system
    code   text    NOT NULL COLLATE "C",  -- unit code, else its printed unit, else ''
    low    numeric NOT NULL,              -- equal to high but for ranges and comparators ('-Infinity', 'Infinity')
    high   numeric NOT NULL
) PARTITION BY LIST (type);

CREATE TABLE record.string_index (
    type  text   NOT NULL COLLATE "C",
    shard text   NOT NULL COLLATE "C",
    key   bigint NOT NULL,
    param text   NOT NULL COLLATE "C",
    norm  text   NOT NULL COLLATE "C",  -- lower case, without accents and tone marks, d for đ, single spaces
    exact text   NOT NULL COLLATE "C"
) PARTITION BY LIST (type);

CREATE TABLE record.history (
    type     text        NOT NULL COLLATE "C",
    id       text        NOT NULL COLLATE "C",
    shard    text        NOT NULL COLLATE "C",
    version  integer     NOT NULL,
    key      bigint      NOT NULL,
    updated  timestamptz NOT NULL,
    xid      xid8        NOT NULL,
    patient   text       COLLATE "C",
    custodian text       COLLATE "C",
    deleted  boolean     NOT NULL,
    body     bytea,
    PRIMARY KEY (type, id, version, shard)
) PARTITION BY LIST (type);

CREATE TABLE record.feed (
    position  bigint      GENERATED ALWAYS AS IDENTITY,
    xid       xid8        NOT NULL DEFAULT pg_current_xact_id(),
    at        timestamptz NOT NULL,
    type      text        NOT NULL COLLATE "C",
    id        text        NOT NULL COLLATE "C",
    version   integer     NOT NULL,
    shard     text        NOT NULL COLLATE "C",
    custodian text        COLLATE "C",
    change    text        NOT NULL,  -- create, update, delete
    PRIMARY KEY (position, shard)
);

CREATE TABLE record.audit (
    position  bigint      GENERATED ALWAYS AS IDENTITY,
    at        timestamptz NOT NULL,
    account   text        NOT NULL,
    role      text        NOT NULL,
    facility  text        NOT NULL,
    purpose   text        NOT NULL,
    action    text        NOT NULL,  -- create, read, update, delete, search, …
    type      text        NOT NULL COLLATE "C",
    id        text        NOT NULL COLLATE "C",
    patient   text        COLLATE "C"
) PARTITION BY RANGE (at);
CREATE TABLE record.audit_default PARTITION OF record.audit DEFAULT;
CREATE INDEX ON record.audit (patient, at);
