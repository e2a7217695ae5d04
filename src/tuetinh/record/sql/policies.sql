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

-- How the asker sees a type: 0 nothing, 1 by relation, 2 within the own compartment, 3 whole but for labels, 4 whole.
CREATE FUNCTION record.sight(type text) RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN coalesce(current_setting('tuetinh.account', true), '') = '' THEN 0
    WHEN current_setting('tuetinh.everything') = 'yes' THEN 4
    WHEN type IN ('CodeSystem', 'ValueSet', 'ConceptMap', 'NamingSystem', 'StructureDefinition', 'SearchParameter')
      THEN 4  -- what the record itself answers by; of no person
    WHEN current_setting('tuetinh.own') <> '' THEN 2
    WHEN current_setting('tuetinh.whole') = ' * ' OR strpos(current_setting('tuetinh.whole'), ' ' || type || ' ') > 0
      THEN CASE WHEN current_setting('tuetinh.labels') = '-1' THEN 4 ELSE 3 END
    WHEN current_setting('tuetinh.related') = ' * '
      OR strpos(current_setting('tuetinh.related'), ' ' || type || ' ') > 0 THEN 1
    ELSE 0 END
$$;

-- Whether a row exists for the asker. Its COST is that of most askers' rows, for the planner not to shun tables by it.
CREATE FUNCTION record.lets(type text, patient text, custodian text, labels integer) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1 AS $$
DECLARE sight integer := record.sight(type);
BEGIN
  IF sight = 4 THEN RETURN true; END IF;
  IF sight = 0 THEN RETURN false; END IF;
  IF sight = 2 THEN RETURN patient IS NOT DISTINCT FROM current_setting('tuetinh.own'); END IF;
  IF labels <> 0 AND labels & ~current_setting('tuetinh.labels')::integer <> 0 THEN RETURN false; END IF;
  IF sight = 3 THEN RETURN true; END IF;
  IF custodian = current_setting('tuetinh.facility') AND custodian <> '' THEN RETURN true; END IF;
  IF patient IS NULL THEN RETURN false; END IF;
  RETURN EXISTS (
      SELECT FROM record.relation k WHERE k.patient = lets.patient
        AND k.holder = ANY (current_setting('tuetinh.holders')::text[]) AND k.until > now()
    ) AND NOT EXISTS (
      SELECT FROM record.denial d WHERE d.patient = lets.patient
        AND d.facility IN ('', current_setting('tuetinh.facility'))
        AND d.purpose IN ('', current_setting('tuetinh.purpose')) AND d.until > now()
    );
END $$;

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
