-- Let the Binaries that name these resources as their context belong to the same owners, whoever answered for them: it is
-- the one change of what another facility answers for that comes with a write elsewhere.
CREATE FUNCTION record.follow(tokens bigint[], contexts text[], patients text[], custodians text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE told text := current_setting('tuetinh.elsewhere', true);
BEGIN
  PERFORM set_config('tuetinh.elsewhere', ' * ', true);
  WITH new AS (
    SELECT * FROM unnest(tokens, contexts, patients, custodians) AS n(token, context, patient, custodian)
  ), target AS (
    SELECT b.id, b.patient AS before, new.context, new.patient, new.custodian
    FROM new JOIN record."Binary" AS b ON b.type = 'Binary' AND b.tokens @> ARRAY[new.token] FOR UPDATE OF b
  ), current AS (
    UPDATE record."Binary" AS b SET patient = t.patient, custodian = t.custodian FROM target AS t
    WHERE b.type = 'Binary' AND b.id = t.id
  ), old AS (
    UPDATE record."Binary_history" AS h SET patient = t.patient, custodian = t.custodian FROM target AS t
    WHERE h.type = 'Binary' AND h.id = t.id AND h.body IS NOT NULL
      AND split_part(convert_from(h.body, 'UTF8')::jsonb #>> '{securityContext,reference}', '/_history/', 1) = t.context
  )
  UPDATE record.content AS c SET patient = t.patient, custodian = t.custodian FROM target AS t
  WHERE c.type = 'Binary' AND c.id = t.id AND c.patient IS NOT DISTINCT FROM t.before;
  PERFORM set_config('tuetinh.elsewhere', coalesce(told, ''), true);
END $$;
