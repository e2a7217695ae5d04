"""What the log tells of a database that is away: one line each time, since it is away for everything at once."""

from __future__ import annotations

import logging

from tuetinh.record.errors import is_away


class Outages(logging.Filter):
    """Takes the traceback from what failed for want of the database, and makes a warning of it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record where it is of an outage; every record is logged."""
        if record.exc_info and is_away(record.exc_info[1]):
            first = record.getMessage().strip().partition("\n")[0]
            record.msg, record.args = f"{first} (the database does not answer)", ()
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.exc_info = record.exc_text = None
        return True
