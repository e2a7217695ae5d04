-- Which rows exist for whom: the one place. Settings of the session say who asks (`tuetinh.record.sight`); where they
-- are missing, nothing exists. Each table asks `record.lets` for each row, unless everything exists for the asker. See docs/decisions/record-row-policies.md.

-- Who may see what of a patient because of what: a visit, a referral, a registered station, broken glass.
CREATE TABLE record.relation (
    patient text        NOT NULL COLLATE "C",
    holder  text        NOT NULL COLLATE "C",  -- Organization/12104, Account/17, Purpose/HRESCH
    kind    text        NOT NULL COLLATE "C",  -- treating, registered, referral, consultation, glass, consent
    source  text        NOT NULL COLLATE "C",  -- Type/id of the fact that it comes from
    until   timestamptz NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (patient, holder, kind, source)
);
CREATE INDEX relation_source ON record.relation (source);
CREATE INDEX relation_holder ON record.relation (holder, patient);

-- What a patient has forbidden: to a facility ('' for every one), for a purpose ('' for every one).
CREATE TABLE record.denial (
    patient  text        NOT NULL COLLATE "C",
    facility text        NOT NULL COLLATE "C",
    purpose  text        NOT NULL COLLATE "C",
    source   text        NOT NULL COLLATE "C",
    until    timestamptz NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (patient, facility, purpose, source)
);
CREATE INDEX denial_source ON record.denial (source);

-- Which of these ids are taken, whoever asks: an id that one may not see is no free id.
CREATE FUNCTION record.taken(type text, ids text[]) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE before text := current_setting('tuetinh.everything', true);
BEGIN
  PERFORM set_config('tuetinh.everything', 'yes', true);
  RETURN QUERY EXECUTE format('SELECT id FROM record.%I WHERE id = ANY ($1)', type) USING ids;
  PERFORM set_config('tuetinh.everything', coalesce(before, ''), true);
END $$;

ALTER TABLE record.resource ADD COLUMN labels integer NOT NULL DEFAULT 0;
ALTER TABLE record.history ADD COLUMN labels integer NOT NULL DEFAULT 0;
ALTER TABLE record.feed ADD COLUMN patient text COLLATE "C", ADD COLUMN labels integer NOT NULL DEFAULT 0;
UPDATE record.feed f SET patient = f.shard WHERE EXISTS (
  SELECT FROM record.resource r WHERE r.type = f.type AND r.id = f.id AND r.patient = f.shard);
