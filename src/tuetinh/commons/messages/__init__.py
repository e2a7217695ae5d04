"""News for people: what changed is shown on open pages at once. For everyone.

Speaks server-sent events (WHATWG HTML, 9.2) at `/events`; carried by PostgreSQL's LISTEN and NOTIFY.
"""
