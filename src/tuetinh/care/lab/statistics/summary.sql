INSERT INTO lab_testcount (facility, span, day, test, urgent, machine, person, bench, ordered, done, cancelled, late,
  results, abnormal, critical, judged, positive, corrected, fees)
SELECT t.facility, 'd', %(day)s::date, l.test, t.urgent, l.machine, t.verified_by, l.bench,
  count(*), count(l.done_at), count(*) FILTER (WHERE l.cancelled), count(*) FILTER (WHERE l.done_at > t.due_at),
  sum(l.results), sum(l.abnormal), sum(l.critical), sum(l.judged), sum(l.positive), sum(l.corrected),
  coalesce(sum(l.fee) FILTER (WHERE NOT l.cancelled), 0)
FROM lab_orderline l JOIN lab_tube t ON t.id = l.tube_id
WHERE l.ordered_at >= %(start)s AND l.ordered_at < %(end)s AND t.facility = %(facility)s
GROUP BY t.facility, l.test, t.urgent, l.machine, t.verified_by, l.bench
-- next --
INSERT INTO lab_samplecount (facility, span, day, kind, bench, urgent, reason, samples, refused, critical, called, in_time)
SELECT facility, 'd', %(day)s::date, kind, coalesce(benches->>0, ''), urgent, refused_for,
  count(*), count(*) FILTER (WHERE stage = 'rejected'), count(critical_at), count(called_at),
  count(*) FILTER (WHERE called_at <= critical_at + %(within)s)
FROM lab_tube
WHERE facility = %(facility)s AND ordered_at >= %(start)s AND ordered_at < %(end)s AND stage <> 'cancelled'
GROUP BY facility, kind, coalesce(benches->>0, ''), urgent, refused_for
-- next --
INSERT INTO lab_steptime (facility, span, step, day, test, urgent, minutes, bench, count)
SELECT facility, 'd', step, %(day)s::date, coalesce(test, ''), urgent, rounded, bench, count(*)
FROM (
  SELECT t.facility, l.test, l.bench, t.urgent, s.step,
    -- to the minute within ten, then to 5 minutes within two hours, to 15 within eight, to the hour
    CASE WHEN s.took <= 10 THEN floor(s.took) WHEN s.took <= 120 THEN 5 * round(s.took / 5) WHEN s.took <= 480
      THEN 15 * round(s.took / 15) ELSE 60 * round(s.took / 60) END AS rounded
  FROM lab_orderline l JOIN lab_tube t ON t.id = l.tube_id, LATERAL (
    SELECT step, extract(epoch FROM until - since) / 60 AS took FROM (VALUES
      ('collect', l.ordered_at, t.collected_at), ('transport', t.collected_at, t.received_at),
      ('analyse', t.received_at, t.verified_at), ('sign', t.verified_at, l.done_at),
      ('lab', t.received_at, l.done_at), ('total', l.ordered_at, l.done_at)) AS at (step, since, until)) AS s
  WHERE l.ordered_at >= %(start)s AND l.ordered_at < %(end)s AND t.facility = %(facility)s
    AND NOT l.cancelled AND s.took >= 0) AS steps
-- each test, and all tests of a bench together under ""
GROUP BY GROUPING SETS ((facility, step, test, urgent, rounded, bench), (facility, step, urgent, rounded, bench))
-- next --
INSERT INTO lab_testcount (facility, span, day, test, urgent, machine, person, bench, ordered, done, cancelled, late,
  results, abnormal, critical, judged, positive, corrected, fees)
SELECT facility, 'm', %(day)s::date, test, urgent, machine, person, bench, sum(ordered), sum(done), sum(cancelled),
  sum(late), sum(results), sum(abnormal), sum(critical), sum(judged), sum(positive), sum(corrected), sum(fees)
FROM lab_testcount WHERE facility = %(facility)s AND span = 'd' AND day >= %(start)s AND day < %(end)s
GROUP BY facility, test, urgent, machine, person, bench
-- next --
INSERT INTO lab_samplecount (facility, span, day, kind, bench, urgent, reason, samples, refused, critical, called, in_time)
SELECT facility, 'm', %(day)s::date, kind, bench, urgent, reason, sum(samples), sum(refused), sum(critical),
  sum(called), sum(in_time)
FROM lab_samplecount WHERE facility = %(facility)s AND span = 'd' AND day >= %(start)s AND day < %(end)s
GROUP BY facility, kind, bench, urgent, reason
-- next --
INSERT INTO lab_steptime (facility, span, step, day, test, urgent, minutes, bench, count)
SELECT facility, 'm', step, %(day)s::date, test, urgent, minutes, bench, sum(count)
FROM lab_steptime WHERE facility = %(facility)s AND span = 'd' AND day >= %(start)s AND day < %(end)s
GROUP BY facility, step, test, urgent, minutes, bench
