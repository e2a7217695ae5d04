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
    ELSE
      EXECUTE format('SELECT bit_or(labels) FROM record.%I WHERE type = %L AND id = ANY ($1)', kind, kind)
        INTO more USING ids;
    END IF;
    found := found | record.everywhere(coalesce(more, 0));
  END LOOP;
  PERFORM set_config('tuetinh.everything', coalesce(before, ''), true);
  RETURN found;
END $$;

-- A label rises: to the versions before, to the contents of the resource, and to what names it or is shown by it.
CREATE OR REPLACE FUNCTION record.rise() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  before text := current_setting('tuetinh.everything', true);
  name text := NEW.type || '/' || NEW.id;
  place record;
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
  FOR place IN SELECT * FROM (VALUES
    ('DiagnosticReport', 'result', 'Observation'), ('DiagnosticReport', 'media', 'Media'), ('Composition', 'entry', ''),
    ('DocumentReference', 'related', ''), ('List', 'item', ''), ('Binary', 'securityContext', ''),
    ('Encounter', 'diagnosis', 'Condition'), ('Encounter', 'diagnosis', 'Procedure'),
    ('Encounter', 'reason-reference', 'Condition'), ('Encounter', 'reason-reference', 'Procedure'),
    ('Encounter', 'reason-reference', 'Observation'), ('MedicationAdministration', 'medication', 'Medication'),
    ('MedicationDispense', 'medication', 'Medication'), ('MedicationRequest', 'medication', 'Medication'),
    ('MedicationStatement', 'medication', 'Medication')
  ) AS p(type, param, target) WHERE p.target IN ('', NEW.type) LOOP
    EXECUTE format('UPDATE record.%I SET labels = labels | $1 WHERE type = %L AND tokens @> ARRAY[$2]
      AND labels | $1 <> labels', place.type, place.type)
      USING record.everywhere(NEW.labels) << CASE place.type WHEN 'Encounter' THEN 16 ELSE 0 END,
        record.token_hash(place.param || E'\x1f' || name);
  END LOOP;
  IF NEW.type IN ('DocumentReference', 'DiagnosticReport', 'Media') AND NEW.body IS NOT NULL THEN
    UPDATE record."Binary" b SET labels = b.labels | record.everywhere(NEW.labels)
    WHERE b.type = 'Binary' AND b.labels | record.everywhere(NEW.labels) <> b.labels AND b.id IN (
      SELECT substring(u #>> '{}' FROM 'Binary/([A-Za-z0-9.-]{1,64})')
      FROM jsonb_path_query(convert_from(NEW.body, 'UTF8')::jsonb, '$.**.url') AS u);
  END IF;
  PERFORM set_config('tuetinh.everything', coalesce(before, ''), true);
  RETURN NULL;
END $$;
