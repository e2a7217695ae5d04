-- Whether a row exists for the asker: what the row policies ask. Run anew by each migration that changes it.

-- How the asker sees a type: 0 nothing, 1 by relation, 2 all of the own compartment,
-- 3 whole but for labels and what patients forbid, 4 whole. Nothing exists beside an own compartment, where there is one.
CREATE OR REPLACE FUNCTION record.sight(type text) RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN coalesce(current_setting('tuetinh.account', true), '') = '' THEN 0
    WHEN current_setting('tuetinh.everything') = 'yes' THEN 4
    WHEN type IN ('CodeSystem', 'ValueSet', 'ConceptMap', 'NamingSystem', 'StructureDefinition', 'SearchParameter')
      THEN 4  -- what the record itself answers by; of no person
    WHEN current_setting('tuetinh.whole') = ' * ' OR strpos(current_setting('tuetinh.whole'), ' ' || type || ' ') > 0
      THEN CASE WHEN current_setting('tuetinh.labels') <> '-1' THEN 3 WHEN current_setting('tuetinh.own') <> '' THEN 2
        ELSE 4 END
    WHEN current_setting('tuetinh.related') = ' * '
      OR strpos(current_setting('tuetinh.related'), ' ' || type || ' ') > 0 THEN 1
    ELSE 0 END
$$;

-- Whether a patient stands in a relation to the asker that holds. What a patient forbids is about facilities and
-- purposes: broken glass, people who act for the patient, and what was shared with whoever has the code pass by it; an
-- allowance for one facility passes by what is forbidden to all, not by what is forbidden to it or for its purpose. What
-- comes from care holds for some days after its end, as the asker's sight says. What somebody gave who acts for the
-- patient holds as long as their own right does.
-- close: whether it also opens what is labelled. Care does while it goes on and was not written down by the asker alone;
-- being registered somewhere, or an appointment, does not: nobody may have come.
CREATE OR REPLACE FUNCTION record.related(who text, close boolean) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE forbidden boolean := record.forbidden(who);
DECLARE by_name boolean := forbidden AND record.forbidden_by_name(who);
BEGIN
  RETURN EXISTS (
    SELECT FROM record.relation k WHERE k.patient = who
      AND k.holder = ANY (current_setting('tuetinh.holders')::text[])
      AND (NOT forbidden OR k.kind = 'glass' OR k.kind = 'consent' AND NOT by_name
        OR starts_with(k.holder, 'Patient/') OR starts_with(k.holder, 'Share/'))
      AND k.since <= now() AND (k.through = '' OR NOT EXISTS (
        SELECT FROM unnest(string_to_array(k.through, ' ')) AS needed WHERE NOT EXISTS (
          SELECT FROM record.relation t
          WHERE t.patient = k.patient AND t.source = needed AND t.since <= now() AND t.until > now())))
      AND CASE
        WHEN close THEN k.until > now() AND k.kind NOT IN ('registered', 'appointment')
          AND (k.made_by = '' OR k.made_by <> current_setting('tuetinh.account'))
        ELSE k.until > now() - CASE WHEN k.kind IN ('treating', 'episode', 'referral', 'consultation', 'appointment')
          THEN make_interval(days => current_setting('tuetinh.after')::integer) ELSE interval '0' END END
  );
END $$;

-- Whether the patient forbids just the asker's facility, the asker by name, or the purpose.
CREATE OR REPLACE FUNCTION record.forbidden_by_name(who text) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN EXISTS (
    SELECT FROM record.denial d WHERE d.patient = who AND (d.facility <> '' OR d.purpose <> '')
      AND (d.facility IN ('', current_setting('tuetinh.facility'))
        OR d.facility = ANY (current_setting('tuetinh.holders')::text[]))
      AND d.purpose IN ('', current_setting('tuetinh.purpose')) AND d.since <= now() AND d.until > now()
  );
END $$;

-- Whether the patient forbids a person by name, wherever they work; as it is, the asker.
CREATE OR REPLACE FUNCTION record.forbidden_in_person(who text) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
  RETURN EXISTS (
    SELECT FROM record.denial d WHERE d.patient = who AND starts_with(d.facility, 'Practitioner/')
      AND d.facility = ANY (current_setting('tuetinh.holders')::text[])
      AND d.purpose IN ('', current_setting('tuetinh.purpose')) AND d.since <= now() AND d.until > now()
  );
END $$;

-- Whether the patient forbids the asker's facility, the asker, or the purpose.
CREATE OR REPLACE FUNCTION record.forbidden(who text) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN EXISTS (
    SELECT FROM record.denial d WHERE d.patient = who
      AND (d.facility IN ('', current_setting('tuetinh.facility'))
        OR d.facility = ANY (current_setting('tuetinh.holders')::text[]))
      AND d.purpose IN ('', current_setting('tuetinh.purpose')) AND d.since <= now() AND d.until > now()
  );
END $$;

-- Whether a row exists for the asker. A labelled row needs a relation, also where its type is seen whole, or was written
-- by the asker's facility (where labels that count elsewhere alone, those further left, are none): who writes it down must be able to read it, though it may see no such label elsewhere. Who forbids a
-- facility is still known there by name, or a second record would be begun. What may hold things of people and is of none of
-- them, or of several, is for who answers for it; but a Task of none, which goes between facilities and names things by
-- reference only, is for who reads Tasks. Its COST is that of most askers' rows, for
-- the planner not to shun tables by it.
CREATE OR REPLACE FUNCTION record.lets(type text, patient text, custodian text, labels integer) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1 AS $$
DECLARE sight integer := record.sight(type);
BEGIN
  IF sight = 4 THEN RETURN true; END IF;
  IF sight = 0 THEN RETURN false; END IF;
  IF current_setting('tuetinh.own') <> '' AND patient IS DISTINCT FROM current_setting('tuetinh.own') THEN
    RETURN false;
  END IF;
  IF sight = 2 THEN RETURN true; END IF;
  IF custodian = current_setting('tuetinh.facility') AND custodian <> '' THEN
    RETURN labels & 65535 & ~(current_setting('tuetinh.labels')::integer
        | coalesce(nullif(current_setting('tuetinh.here', true), ''), '0')::integer) = 0
      AND (type = 'Patient' OR patient IS NULL OR strpos(current_setting('tuetinh.holders'), 'Practitioner/') = 0
        OR NOT record.forbidden_in_person(patient) OR record.related(patient, false));
  END IF;
  IF labels <> 0 THEN
    labels := CASE WHEN patient IS NULL THEN labels & 65535 ELSE record.everywhere(labels) END;
    IF labels & ~current_setting('tuetinh.labels')::integer <> 0 THEN RETURN false; END IF;
  END IF;
  IF patient IS NULL THEN
    RETURN type = 'Task' OR sight = 3 AND type NOT IN ('Bundle', 'Linkage', 'List', 'MessageHeader', 'Provenance', 'QuestionnaireResponse');
  END IF;
  IF sight = 3 AND labels = 0 AND (type = 'Patient' OR NOT record.forbidden(patient)) THEN RETURN true; END IF;
  RETURN record.related(patient, labels <> 0);
END $$;

-- Whether an entry of the access log exists for the asker: for the person whom it is about; for whoever keeps watch over
-- the facility of the account that is logged, or over all: their sight names AuditEvent, which `*` does not.
CREATE OR REPLACE FUNCTION record.logged(patient text, facility text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN record.sight('AuditEvent') = 0 THEN false
    WHEN current_setting('tuetinh.own') <> '' THEN coalesce(patient = current_setting('tuetinh.own'), false)
    ELSE strpos(current_setting('tuetinh.whole'), ' AuditEvent ') > 0
      AND current_setting('tuetinh.facility') IN ('', facility) END
$$;
