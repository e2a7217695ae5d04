-- A Binary without a context of its own belongs to the owner of a document that shows it, or everybody would see it.

-- Whose the documents are that show these Binaries, whoever asks.
CREATE FUNCTION record.shown_by(ids text[]) RETURNS TABLE (id text, patient text, custodian text)
LANGUAGE plpgsql AS $$
DECLARE before text := current_setting('tuetinh.everything', true);
BEGIN
  PERFORM set_config('tuetinh.everything', 'yes', true);
  RETURN QUERY SELECT DISTINCT ON (i) i, d.patient, d.custodian
    FROM unnest(ids) AS i JOIN record.resource d ON d.type IN ('DocumentReference', 'DiagnosticReport', 'Media')
      AND d.tokens @> ARRAY[record.token_hash('attachment' || E'\x1f' || 'Binary/' || i)] AND d.patient IS NOT NULL
    ORDER BY i, d.key;
  PERFORM set_config('tuetinh.everything', coalesce(before, ''), true);
END $$;

-- Let Binaries that exist for the asker belong to the owners of the documents that show them. befores: whose these were
-- until now. What is somebody else's stays.
CREATE FUNCTION record.show(ids text[], patients text[], custodians text[], befores text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE before text := current_setting('tuetinh.everything', true);
DECLARE told text := current_setting('tuetinh.elsewhere', true);
DECLARE seen text[] := ARRAY(SELECT b.id FROM record."Binary" b WHERE b.type = 'Binary' AND b.id = ANY (ids));
BEGIN
  PERFORM set_config('tuetinh.everything', 'yes', true), set_config('tuetinh.elsewhere', ' * ', true);
  WITH new AS (
    SELECT * FROM unnest(ids, patients, custodians, befores) AS n(id, patient, custodian, before) WHERE id = ANY (seen)
  ), target AS (
    SELECT b.id, b.shard, b.patient AS before, new.patient, new.custodian
    FROM new JOIN record."Binary" AS b ON b.type = 'Binary' AND b.id = new.id
    WHERE (b.patient IS NULL OR b.patient = new.before) AND b.patient IS DISTINCT FROM new.patient
      AND (b.body IS NULL OR position('"securityContext"'::bytea IN b.body) = 0)
    FOR UPDATE OF b
  ), current AS (
    UPDATE record."Binary" AS b SET patient = t.patient, custodian = t.custodian FROM target AS t
    WHERE b.type = 'Binary' AND b.id = t.id
  ), old AS (
    UPDATE record."Binary_history" AS h SET patient = t.patient, custodian = t.custodian FROM target AS t
    WHERE h.type = 'Binary' AND h.id = t.id AND h.patient IS NOT DISTINCT FROM t.before
  ), followed AS (
    UPDATE record.feed AS f SET patient = t.patient, custodian = t.custodian FROM target AS t
    WHERE f.shard = t.shard AND f.type = 'Binary' AND f.id = t.id AND f.patient IS NOT DISTINCT FROM t.before
  )
  UPDATE record.content AS c SET patient = t.patient, custodian = t.custodian FROM target AS t
  WHERE c.type = 'Binary' AND c.id = t.id AND c.patient IS NOT DISTINCT FROM t.before;
  PERFORM set_config('tuetinh.everything', coalesce(before, ''), true),
    set_config('tuetinh.elsewhere', coalesce(told, ''), true);
END $$;
