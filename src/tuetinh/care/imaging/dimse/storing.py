"""C-STORE (PS3.4 B): what a machine sends is on the disk and in the index before it is told so."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from tuetinh.care.imaging.archive.keeping import Settle, settle, take
from tuetinh.care.imaging.dimse.peers import Peer
from tuetinh.care.imaging.quiet import fault
from tuetinh.record.contents import Arriving, NoSpace

log = logging.getLogger(__name__)
SUCCESS: Final = 0x0000
PROCESSING_FAILURE: Final = 0x0110
NOT_AUTHORISED: Final = 0x0124
OUT_OF_RESOURCES: Final = 0xA700
NO_MATCH: Final = 0xA900  # the data set does not tell what it must
NOT_UNDERSTOOD: Final = 0xC000
# What waits for a person is as safe as what is in the archive, and the machine need not send it again.
_OF_REASON: Final = {"broken": NOT_UNDERSTOOD, "missing": NO_MATCH}


def store(peer: Peer, whole: Callable[[], Arriving], settle: Settle = settle) -> tuple[int, str]:
    """Keep an object; returns the status to answer, and its study's UID where it came into the archive.

    whole: gives the object, or raises what went wrong while it came. settle: as `keeping.settle`, on other threads.
    """
    if not peer.device.stores:
        return NOT_AUTHORISED, ""
    try:
        kept = settle(peer.source, take(whole()))
    except NoSpace:
        return OUT_OF_RESOURCES, ""
    except Exception as error:
        log.error("imaging: an object could not be kept: %s", fault(error))
        return PROCESSING_FAILURE, ""
    return _OF_REASON.get(kept.reason, SUCCESS), kept.study if kept.state == "stored" else ""
