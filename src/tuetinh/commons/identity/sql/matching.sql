-- Matching: the keys under which a person is compared with others, what was found, and what was decided about it.
ALTER TABLE identity_person
    ADD COLUMN mother text     NOT NULL DEFAULT '',
    ADD COLUMN blocks bigint[] NOT NULL DEFAULT '{}',   -- linkage.features.blocks
    ADD COLUMN due    boolean  NOT NULL DEFAULT true;   -- changed since it was compared with others
CREATE INDEX identity_person_blocks ON identity_person USING gin (blocks) WITH (fastupdate = off);
CREATE INDEX identity_person_due ON identity_person (updated) WHERE due;

-- Two records that may be one person. The queue of the records office; what was decided stays.
CREATE TABLE identity_pair (
    id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    one     text        NOT NULL COLLATE "C",
    other   text        NOT NULL COLLATE "C",
    weight  real        NOT NULL,
    grade   text        NOT NULL COLLATE "C",   -- certain, probable, possible; told: somebody at a desk saw it
    levels  jsonb       NOT NULL,               -- comparison to [level, bits]
    state   text        NOT NULL DEFAULT 'open' COLLATE "C",  -- open, later, same, different
    found   timestamptz NOT NULL DEFAULT now(),
    decided timestamptz,
    account text        NOT NULL DEFAULT '',
    UNIQUE (one, other),
    CHECK (one < other)
);
CREATE INDEX identity_pair_open ON identity_pair (state, weight DESC, id);
CREATE INDEX identity_pair_other ON identity_pair (other);

-- The model in force is the newest; with none, the one of the package.
CREATE TABLE identity_model (
    id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    account text        NOT NULL,
    body    bytea       NOT NULL
);
