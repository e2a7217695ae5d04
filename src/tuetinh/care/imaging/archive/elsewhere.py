"""Where the store of pictures is, and what it is asked for by the folder of contents. Needs no database."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from itertools import chain

from tuetinh.record.contents import files
from tuetinh.record.contents.places import Missing, NoPlace, Place, Unreachable, open_place

log = logging.getLogger(__name__)


def address() -> str:
    """Where the store is; "" where there is none."""
    return os.environ.get("TUETINH_IMAGING_STORE", "").strip()


def days(name: str, usual: int) -> timedelta:
    """A setting in days."""
    text = os.environ.get(name, "").strip()
    return timedelta(days=int(text) if text.isascii() and text.isdigit() else usual)


def opened() -> Place | None:
    """The store, None where there is none. Raises places.NoPlace."""
    return _opened(address()) if address() else None


@lru_cache(maxsize=4)
def _opened(where: str) -> Place:
    return open_place(where)


def name_of(digest: bytes) -> str:
    """The name of a content in the store."""
    return f"objects/{digest.hex()[:2]}/{digest.hex()}"


class Away:
    """The store, as the folder of contents asks it for what it has not."""

    def chunks(self, digest: bytes) -> Iterator[bytes] | None:
        """The bytes of a file, None where it is not there. Raises files.Away."""
        store = _answering()
        if store is None:
            return None
        given = _told(store.get(name_of(digest)))
        try:
            first = next(given, b"")
        except Missing:
            return None
        return chain([first], given)

    def has(self, digest: bytes) -> bool:
        """Whether it is there. Raises files.Away."""
        try:
            store = _answering()
            return store is not None and store.size(name_of(digest)) >= 0
        except Missing:
            return False
        except Unreachable as error:
            raise _away(error) from error


def _answering() -> Place | None:
    try:
        return opened()
    except NoPlace as error:
        raise _away(error) from error


def _told(chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except Missing:
        raise
    except Unreachable as error:
        raise _away(error) from error


def _away(error: Exception) -> files.Away:
    log.warning("imaging: the store does not answer: %s", error)
    return files.Away("older pictures lie in a store that does not answer")
