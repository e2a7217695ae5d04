"""Tell every process when a session, token, account, app or rule changes, so that none believes what it remembers."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

# What is written at every login (`last_login`) or use changes nobody's rights. Told once a transaction.
RIGHTS = "is_active, password, role, facility, practitioner, patient, must_change_password, has_factor"
TRIGGERS = (
    ("session", "DELETE"),
    ("token", "UPDATE OR DELETE"),
    ("grant", "UPDATE OR DELETE"),
    ("client", f"UPDATE OF is_active, scopes, facility, redirect_uris OR DELETE"),
    ("sightrule", "INSERT OR UPDATE OR DELETE"),
    ("policy", "INSERT OR UPDATE OR DELETE"),
)
TELL = """
CREATE FUNCTION access_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('tuetinh_access', '');
  RETURN NULL;
END $$;
"""
ACCOUNT = f"""
CREATE TRIGGER told AFTER UPDATE ON access_account FOR EACH ROW
  WHEN (({", ".join("OLD." + name for name in RIGHTS.split(", "))})
    IS DISTINCT FROM ({", ".join("NEW." + name for name in RIGHTS.split(", "))})) EXECUTE FUNCTION access_told();
CREATE TRIGGER gone AFTER DELETE ON access_account FOR EACH STATEMENT EXECUTE FUNCTION access_told();
"""
OTHERS = "".join(
    f"CREATE TRIGGER told AFTER {when} ON access_{table} FOR EACH STATEMENT EXECUTE FUNCTION access_told();\n"
    for table, when in TRIGGERS
)


class Migration(migrations.Migration):
    dependencies: ClassVar = [("access", "0013_pre_idle_accounts")]
    operations: ClassVar = [migrations.RunSQL(TELL + ACCOUNT + OTHERS)]
