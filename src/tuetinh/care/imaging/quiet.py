"""What the libraries of DICOM tell: values of elements, so names of people, which no log and no console may hold."""

from __future__ import annotations

import logging
import traceback
import warnings
from typing import Final

from tuetinh.record.errors import is_away

log = logging.getLogger(__name__)
LEVELS: Final = {
    "pydicom": logging.CRITICAL, "pynetdicom": logging.ERROR, "openjpeg": logging.ERROR, "highdicom": logging.ERROR,
}  # fmt: skip
"""From which level on something is told: all that pydicom cannot do, it raises as well, or tries another way."""


class _WithoutWords(logging.Handler):
    """Passes on that a library met an error, and where, without what it says of it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell the house's own log."""
        error = record.exc_info[1] if record.exc_info else None
        place = f"{record.name}:{record.lineno}"
        log.log(record.levelno, "imaging: an error at %s%s", place, f": {fault(error)}" if error else "")


def fault(error: BaseException) -> str:
    """What may be told of an error: its kind, and where it came from."""
    if is_away(error):
        return "the database does not answer"
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}".rstrip()


def keep_quiet() -> None:
    """Let no warning of the libraries out, and of their log the errors only, without words."""
    warnings.filterwarnings("ignore", module="|".join(LEVELS))
    for name, level in LEVELS.items():
        logger = logging.getLogger(name)
        logger.handlers = [_WithoutWords(level)]  # the libraries set levels of loggers when they are imported
        logger.propagate = False
