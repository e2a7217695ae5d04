-- Labels that a resource has because of others. Run anew by each migration that changes it.

-- Labels as they count elsewhere than at the facility that answers for the row: see `labels.ELSEWHERE`.
CREATE OR REPLACE FUNCTION record.everywhere(labels integer) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (labels | (labels >> 16)) & 511
$$;

-- The labels of all that is named (`Type/id`), whoever asks. `Binary/id` stands for the documents that show it.
CREATE OR REPLACE FUNCTION record.inherited(names text[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  before text := current_setting('tuetinh.everything', true);
  found integer := 0;
  more integer;
  kind text;
  ids text[];
BEGIN
  IF cardinality(names) = 0 THEN RETURN 0; END IF;
  PERFORM set_config('tuetinh.everything', 'yes', true);
  FOR kind, ids IN SELECT split_part(n, '/', 1), array_agg(split_part(n, '/', 2)) FROM unnest(names) AS n GROUP BY 1 LOOP
    IF kind = 'Binary' THEN
      SELECT bit_or(d.labels) INTO more FROM record.resource d
      WHERE d.type IN ('DocumentReference', 'DiagnosticReport', 'Media')
        AND d.tokens && ARRAY(SELECT record.token_hash('attachment' || E'\x1f' || 'Binary/' || i) FROM unnest(ids) AS i);
    ELSIF kind = 'Observation' THEN  -- of every report and each validation: a statement whose plan is kept
      SELECT bit_or(o.labels) INTO more FROM record."Observation" o WHERE o.type = 'Observation' AND o.id = ANY (ids);
    ELSE
      EXECUTE format('SELECT bit_or(labels) FROM record.%I WHERE type = %L AND id = ANY ($1)', kind, kind)
        INTO more USING ids;
    END IF;
    found := found | record.everywhere(coalesce(more, 0));
  END LOOP;
  PERFORM set_config('tuetinh.everything', coalesce(before, ''), true);
  RETURN found;
END $$;

-- A label rises: to the versions before, to the contents of the resource, and to what names it or is shown by it. What
-- names it is found by its tokens; statements name their tables, so that their plans are kept.
CREATE OR REPLACE FUNCTION record.rise() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  before text := current_setting('tuetinh.everything', true);
  name text := E'\x1f' || NEW.type || '/' || NEW.id;
  bits integer := record.everywhere(NEW.labels);
  hashes bigint[];
BEGIN
  PERFORM set_config('tuetinh.everything', 'yes', true);
  IF TG_OP = 'UPDATE' THEN
    EXECUTE format('UPDATE record.%I SET labels = labels | $1 WHERE type = %L AND id = $2 AND labels | $1 <> labels',
      NEW.type || '_history', NEW.type) USING NEW.labels, NEW.id;
    UPDATE record.feed f SET labels = f.labels | NEW.labels
    WHERE f.shard IN (NEW.shard, OLD.shard) AND f.type = NEW.type AND f.id = NEW.id
      AND f.labels | NEW.labels <> f.labels;
  END IF;
  UPDATE record.content c SET labels = c.labels | NEW.labels
  WHERE c.type = NEW.type AND c.id = NEW.id AND c.labels | NEW.labels <> c.labels;
  hashes := ARRAY[record.token_hash('entry' || name)];
  UPDATE record."Composition" r SET labels = r.labels | bits
  WHERE r.type = 'Composition' AND r.tokens @> hashes AND r.labels | bits <> r.labels;
  hashes := ARRAY[record.token_hash('related' || name)];
  UPDATE record."DocumentReference" r SET labels = r.labels | bits
  WHERE r.type = 'DocumentReference' AND r.tokens @> hashes AND r.labels | bits <> r.labels;
  hashes := ARRAY[record.token_hash('item' || name)];
  UPDATE record."List" r SET labels = r.labels | bits
  WHERE r.type = 'List' AND r.tokens @> hashes AND r.labels | bits <> r.labels;
  hashes := ARRAY[record.token_hash('target' || name)];
  UPDATE record."Provenance" r SET labels = r.labels | bits
  WHERE r.type = 'Provenance' AND r.tokens @> hashes AND r.labels | bits <> r.labels;
  hashes := ARRAY[record.token_hash('securityContext' || name)];
  UPDATE record."Binary" r SET labels = r.labels | bits
  WHERE r.type = 'Binary' AND r.tokens @> hashes AND r.labels | bits <> r.labels;
  IF NEW.type IN ('Observation', 'Media') THEN
    hashes := ARRAY[record.token_hash('result' || name), record.token_hash('media' || name)];
    UPDATE record."DiagnosticReport" r SET labels = r.labels | bits
    WHERE r.type = 'DiagnosticReport' AND r.tokens && hashes AND r.labels | bits <> r.labels;
  END IF;
  IF NEW.type IN ('Condition', 'Procedure', 'Observation') THEN
    hashes := ARRAY[record.token_hash('diagnosis' || name), record.token_hash('reason-reference' || name)];
    UPDATE record."Encounter" r SET labels = r.labels | (bits << 16)
    WHERE r.type = 'Encounter' AND r.tokens && hashes AND r.labels | (bits << 16) <> r.labels;
  END IF;
  IF NEW.type = 'Medication' THEN
    UPDATE record.resource r SET labels = r.labels | bits
    WHERE r.type IN ('MedicationAdministration', 'MedicationDispense', 'MedicationRequest', 'MedicationStatement')
      AND r.tokens @> ARRAY[record.token_hash('medication' || name)] AND r.labels | bits <> r.labels;
  END IF;
  IF NEW.type IN ('DocumentReference', 'DiagnosticReport', 'Media') AND NEW.body IS NOT NULL THEN
    UPDATE record."Binary" r SET labels = r.labels | bits
    WHERE r.type = 'Binary' AND r.labels | bits <> r.labels AND r.id IN (
      SELECT substring(u #>> '{}' FROM 'Binary/([A-Za-z0-9.-]{1,64})')
      FROM jsonb_path_query(convert_from(NEW.body, 'UTF8')::jsonb, '$.**.url') AS u);
  END IF;
  PERFORM set_config('tuetinh.everything', coalesce(before, ''), true);
  RETURN NULL;
END $$;
