-- A Provenance belongs to the patient whose things it is about, where these are of one patient.

-- Of whom these things (`Type/id`) are, whoever asks; those of nobody are left out.
CREATE FUNCTION record.patients_of(names text[]) RETURNS TABLE (name text, patient text) LANGUAGE plpgsql AS $$
DECLARE before text := current_setting('tuetinh.everything', true);
DECLARE kind text;
DECLARE ids text[];
BEGIN
  PERFORM set_config('tuetinh.everything', 'yes', true);
  FOR kind, ids IN SELECT split_part(n, '/', 1), array_agg(split_part(n, '/', 2)) FROM unnest(names) AS n GROUP BY 1 LOOP
    RETURN QUERY EXECUTE format('SELECT %L || r.id, r.patient FROM record.%I r
      WHERE r.type = %L AND r.id = ANY ($1) AND r.patient IS NOT NULL', kind || '/', kind, kind) USING ids;
  END LOOP;
  PERFORM set_config('tuetinh.everything', coalesce(before, ''), true);
END $$;

-- The Provenances that are found by any of these tokens, whoever asks.
CREATE FUNCTION record.provenances(hashes bigint[]) RETURNS TABLE (id text, patient text, body bytea)
LANGUAGE plpgsql AS $$
DECLARE before text := current_setting('tuetinh.everything', true);
BEGIN
  PERFORM set_config('tuetinh.everything', 'yes', true);
  RETURN QUERY SELECT p.id, p.patient, p.body FROM record."Provenance" p
    WHERE p.type = 'Provenance' AND p.tokens && hashes AND NOT p.deleted;
  PERFORM set_config('tuetinh.everything', coalesce(before, ''), true);
END $$;

-- Let Provenances belong to these patients, whoever answers for them. befores: whose these were until now.
CREATE FUNCTION record.give(ids text[], patients text[], befores text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE before text := current_setting('tuetinh.everything', true);
DECLARE told text := current_setting('tuetinh.elsewhere', true);
BEGIN
  PERFORM set_config('tuetinh.everything', 'yes', true), set_config('tuetinh.elsewhere', ' * ', true);
  WITH target AS (
    SELECT p.id, p.shard, n.patient, n.before
    FROM unnest(ids, patients, befores) AS n(id, patient, before)
    JOIN record."Provenance" AS p ON p.type = 'Provenance' AND p.id = n.id FOR UPDATE OF p
  ), current AS (
    UPDATE record."Provenance" AS p SET patient = t.patient FROM target AS t WHERE p.type = 'Provenance' AND p.id = t.id
  ), old AS (
    UPDATE record."Provenance_history" AS h SET patient = t.patient FROM target AS t
    WHERE h.type = 'Provenance' AND h.id = t.id AND h.patient IS NOT DISTINCT FROM t.before
  ), followed AS (
    UPDATE record.feed AS f SET patient = t.patient FROM target AS t
    WHERE f.shard = t.shard AND f.type = 'Provenance' AND f.id = t.id AND f.patient IS NOT DISTINCT FROM t.before
  )
  UPDATE record.content AS c SET patient = t.patient FROM target AS t
  WHERE c.type = 'Provenance' AND c.id = t.id AND c.patient IS NOT DISTINCT FROM t.before;
  PERFORM set_config('tuetinh.everything', coalesce(before, ''), true),
    set_config('tuetinh.elsewhere', coalesce(told, ''), true);
END $$;
