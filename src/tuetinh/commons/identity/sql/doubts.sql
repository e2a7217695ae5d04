-- Merges that somebody at a desk holds for wrong, for the records office; undoing the merge settles it.
CREATE TABLE identity_doubt (
    merge   text        PRIMARY KEY COLLATE "C",
    at      timestamptz NOT NULL DEFAULT now(),
    account text        NOT NULL,
    reason  text        NOT NULL
);
CREATE INDEX identity_doubt_at ON identity_doubt (at DESC);
