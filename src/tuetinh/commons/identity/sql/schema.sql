-- What person search reads. Kept in the transaction of each Patient version; can be rebuilt from the record at any time.
-- The distribution key is the patient's id, as for every resource of a patient.
CREATE TABLE identity_person (
    patient  text        NOT NULL COLLATE "C" PRIMARY KEY,
    active   boolean     NOT NULL,
    name     text        NOT NULL,
    birth    text        NOT NULL COLLATE "C",  -- as in FHIR: yyyy, yyyy-mm or yyyy-mm-dd; '' when unknown
    gender   text        NOT NULL COLLATE "C",
    number   text        NOT NULL COLLATE "C",  -- the number that people show first
    phone    text        NOT NULL COLLATE "C",
    address  text        NOT NULL,
    commune  text        NOT NULL COLLATE "C",
    facility text        NOT NULL COLLATE "C",
    keys     tsvector    NOT NULL,              -- lexemes of words.py: name words, pairs of them, birth, address words
    updated  timestamptz NOT NULL
);
-- Search must not wait for a pending list to be read, so entries go to the index at once.
CREATE INDEX identity_person_keys ON identity_person USING gin (keys) WITH (fastupdate = off);
CREATE INDEX identity_person_updated ON identity_person (updated);
ALTER TABLE identity_person ALTER COLUMN keys SET STATISTICS 400;

CREATE TABLE identity_number (
    patient  text NOT NULL COLLATE "C",
    kind     text NOT NULL COLLATE "C",  -- cccd, cmnd, bhxh, card, mrn, passport, phone, other
    value    text NOT NULL COLLATE "C",  -- letters in upper case and digits only
    reversed text NOT NULL COLLATE "C",  -- for the last digits
    PRIMARY KEY (patient, kind, value)
);
CREATE INDEX identity_number_value ON identity_number (value);
CREATE INDEX identity_number_reversed ON identity_number (reversed);

-- Every word of a name (n) or an address (a) that the table ever held. A word may stand twice: a unique index would make
-- two writers of the same new word wait for each other, and deadlock.
CREATE TABLE identity_word (
    kind text NOT NULL COLLATE "C",
    word text NOT NULL COLLATE "C"
);
CREATE INDEX identity_word_word ON identity_word (word, kind);

-- When a facility last saw a person: its own people come first among equals.
CREATE TABLE identity_seen (
    facility text        NOT NULL COLLATE "C",
    patient  text        NOT NULL COLLATE "C",
    at       timestamptz NOT NULL,
    PRIMARY KEY (facility, patient)
);
