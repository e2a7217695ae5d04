"""Who owns the database: a role that row policies bind, whoever logs in.

PostgreSQL lets superusers and roles with BYPASSRLS pass by every policy. Where such a one logs in (the embedded
server's, or an outside one's), its sessions in this database act as the role `tuetinh_node` from their first statement.
"""

from __future__ import annotations

from typing import Any

ROLE = "tuetinh_node"
LEAKPROOF = (
    "ts_match_vq(tsvector, tsquery)",
    "arraycontains(anyarray, anyarray)",
    "arrayoverlap(anyarray, anyarray)",
    *(f"numeric_{sign}(numeric, numeric)" for sign in ("eq", "lt", "le", "gt", "ge")),
)
"""Comparisons of the search indexes that tell nothing of what they compare, which PostgreSQL does not know of them. It
asks a policy before any other; with these it may use an index first. Only a superuser may say so."""

OF_NOBODY = frozenset(
    {
        "audit_archive",
        "audit_block",
        "closure",
        "content_key",
        "feed_reader",
        "reindexing",
        "search_generation",
        "search_parameter",
    }
)
"""Tables of the record that say nothing of anybody: hashes and counts, positions, terms, parameters, keys that are
sealed."""
CLOSED = (
    *("access_glass", "access_guardianship", "billing_bill", "identity_number", "identity_person", "identity_seen"),
    *("imaging_airesult", "imaging_instance", "imaging_pending", "imaging_series", "imaging_study"),
    *("insurance_claimcase", "insurance_transmission", "lab_message", "portal_share", "reception_turn"),
)
"""Tables of the modules that have row policies."""

_BOUND = "SELECT NOT (rolsuper OR rolbypassrls) FROM pg_roles WHERE rolname = session_user"
_SUPER = "SELECT rolsuper FROM pg_roles WHERE rolname = session_user"
_SETTLED = f"""SELECT current_user = '{ROLE}' AND NOT EXISTS (
  SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname IN ('record', 'public') AND c.relowner <> current_user::regrole AND c.relkind IN ('r', 'p'))"""
_OWNED = f"""
DO $$ DECLARE it record; BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
    BEGIN
      CREATE ROLE {ROLE} NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN  -- another database of the server was quicker
    END;
  END IF;
  EXECUTE format('ALTER DATABASE %I OWNER TO {ROLE}', current_database());
  FOR it IN
    SELECT format('SCHEMA %I', n.nspname) AS what FROM pg_namespace n WHERE n.nspname IN ('record', 'public')
    UNION ALL
    SELECT format('%s %s', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
                  c.oid::regclass)
    FROM pg_class c
    WHERE c.relkind IN ('r', 'p', 'v', 'S') AND c.relnamespace::regnamespace::text IN ('record', 'public')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass
                      AND d.deptype IN ('a', 'i', 'e') AND c.relkind = 'S')
    UNION ALL
    SELECT format('ROUTINE %s', p.oid::regprocedure) FROM pg_proc p
    WHERE p.pronamespace::regnamespace::text IN ('record', 'public')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT format('TYPE %s', t.oid::regtype) FROM pg_type t
    WHERE t.typtype IN ('e', 'd') AND t.typnamespace::regnamespace::text IN ('record', 'public')
  LOOP
    EXECUTE format('ALTER %s OWNER TO {ROLE}', it.what);
  END LOOP;
END $$"""
_LEAKS = (
    "SELECT one FROM unnest(ARRAY["
    + ", ".join(f"'pg_catalog.{one}'" for one in LEAKPROOF)
    + "]) AS one JOIN pg_proc p ON p.oid = one::regprocedure WHERE NOT p.proleakproof"
)
_ACTS_AS = f"""DO $$ BEGIN
  EXECUTE format('ALTER ROLE %I IN DATABASE %I SET role = {ROLE}', session_user, current_database());
END $$"""


_OPEN = """SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind IN ('r', 'p')
AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
AND (c.relnamespace = 'record'::regnamespace AND c.relname <> ALL (%s)
     OR c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%s)) ORDER BY 1"""
_LOOSE = """SELECT DISTINCT polrelid::regclass::text FROM pg_policy
WHERE pg_get_expr(polqual, polrelid) LIKE '%%tuetinh.everything%%<> %%'
   OR pg_get_expr(polwithcheck, polrelid) LIKE '%%tuetinh.everything%%<> %%' ORDER BY 1"""
_UNANSWERED = """SELECT c.oid::regclass::text FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE coalesce(i.inhparent, c.oid)::regclass::text = ANY ('{record.resource,record.history,record.content,record.feed}')
AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'answers' AND t.tgenabled <> 'D')
ORDER BY 1"""
_PASSES = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"


def examine() -> tuple[bool, str]:
    """Whether row policies, and the triggers beside them, hold for the sessions of the node, and what was found."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(_PASSES)
        if cursor.fetchone()[0]:
            return False, "the sessions of the node pass by every policy: their role is a superuser or has BYPASSRLS"
        cursor.execute(_OPEN, [list(OF_NOBODY), list(CLOSED)])
        open_ = [row[0] for row in cursor.fetchall()]
        cursor.execute(_LOOSE, [])
        loose = [row[0] for row in cursor.fetchall()]
        cursor.execute(_UNANSWERED, [])
        unanswered = [row[0] for row in cursor.fetchall()]
    if off := open_ or loose or unanswered:
        return False, f"off at {', '.join(off)}"
    return True, "forced on every table that says something of a person"


def settle(execute: Any) -> None:
    """Make the role own everything and sessions act as it; may be called again and again.

    execute: runs a statement and returns its cursor. Raises PermissionError where the login passes by policies and may
    not make the role.
    """
    if execute(_BOUND).fetchone()[0]:
        return
    leaks = [row[0] for row in execute(_LEAKS).fetchall()]
    is_super = execute(_SUPER).fetchone()[0]
    if execute(_SETTLED).fetchone()[0] and not (leaks and is_super):
        return
    if not is_super:
        message = "the database login has BYPASSRLS, so row policies would not hold; use one without it"
        raise PermissionError(message)
    execute("SET ROLE NONE")
    execute(_OWNED)
    for function in leaks:
        execute(f"ALTER FUNCTION {function} LEAKPROOF")
    execute(f"GRANT pg_read_all_stats TO {ROLE}")  # who else is connected: a restore must know
    execute(_ACTS_AS)
    execute(f"SET ROLE {ROLE}")
