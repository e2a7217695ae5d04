"""Storage Commitment, push model (PS3.4 J): a machine asks whether the archive answers for objects, and is told.

The question is kept before it is accepted; its answer goes to where the machine listens until it is taken there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import tuetinh.care.imaging.library.network  # noqa: F401

from django.db import transaction
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context, build_role
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from tuetinh.care.imaging.archive.keeping import ask
from tuetinh.care.imaging.dimse.peers import Peer
from tuetinh.care.imaging.dimse.storing import NOT_AUTHORISED, SUCCESS
from tuetinh.care.imaging.models import Commitment
from tuetinh.record.contents import Content
from tuetinh.record.contents.files import Away, fault

log = logging.getLogger(__name__)
REQUEST: Final = 1  # Action Type ID
ALL, SOME = 1, 2  # Event Type ID: all are kept, or failures exist
NO_SUCH_INSTANCE, CLASS_CONFLICT, PROCESSING_FAILURE = 0x0112, 0x0119, 0x0110  # Failure Reason (PS3.3 C.14.1.1)
NO_SUCH_ACTION: Final = 0x0123
INVALID: Final = 0x0115
_INSTANCES: Final = """SELECT sop_instance_uid, sop_class_uid, digest, size FROM imaging_instance
WHERE sop_instance_uid = ANY(%s)"""


def request(peer: Peer, action: int | None, information: Dataset | None) -> tuple[int, int | None]:
    """Keep a question; returns the status to answer and the id of what is to be delivered."""
    if not peer.device.stores:
        return NOT_AUTHORISED, None
    if action != REQUEST:
        return NO_SUCH_ACTION, None
    items = (information or Dataset()).get("ReferencedSOPSequence") or []
    transaction_uid = str((information or Dataset()).get("TransactionUID") or "")
    wanted = [[str(one.get("ReferencedSOPClassUID")), str(one.get("ReferencedSOPInstanceUID"))] for one in items]
    if not transaction_uid or not wanted:
        return INVALID, None
    now = datetime.now(UTC)
    row = Commitment.objects.create(
        transaction_uid=transaction_uid, device=peer.device, title=peer.title, asked_at=now, wanted=wanted, next_at=now
    )
    return SUCCESS, row.pk


def result(wanted: list[list[str]], transaction_uid: str) -> tuple[int, Dataset]:
    """What the archive answers for: the event and its information. Each file is looked for. Raises Away."""
    known = {row[0]: row for row in ask(_INSTANCES, [uid for _, uid in wanted])}
    kept, failed = [], []
    for sop_class, uid in wanted:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
        row = known.get(uid)
        if row is None:
            item.FailureReason = NO_SUCH_INSTANCE
        elif row[1] != sop_class:
            item.FailureReason = CLASS_CONFLICT
        elif wrong := fault(Content(bytes(row[2]), row[3]), hashed=False):
            if wrong == "away":
                raise Away("older pictures lie in a store that does not answer")
            item.FailureReason = PROCESSING_FAILURE
        (failed if "FailureReason" in item else kept).append(item)
    told = Dataset()
    told.TransactionUID = transaction_uid
    if kept:
        told.ReferencedSOPSequence = kept
    if failed:
        told.FailedSOPSequence = failed
    return (SOME if failed else ALL), told


def deliver(title: str, commitment: int, options: Callable[[bool], dict[str, Any]]) -> bool:
    """Tell a machine what it asked, and note that it knows; one that does not answer is tried again later."""
    with transaction.atomic():
        row = Commitment.objects.select_for_update(skip_locked=True).filter(pk=commitment, sent_at=None).first()
        if row is None:
            return False
        row.tries += 1
        row.next_at = datetime.now(UTC) + timedelta(minutes=2**row.tries)
        row.save(update_fields=["tries", "next_at"])
    event, told = result(row.wanted, row.transaction_uid)
    device = row.device
    if device is None or not device.host or not device.port:
        return False
    if not _report(AE(title), row, event, told, options(device.tls)):
        return False
    Commitment.objects.filter(pk=commitment).update(sent_at=datetime.now(UTC))
    return True


def _report(ae: AE, row: Commitment, event: int, told: Dataset, options: dict[str, Any]) -> bool:
    device = row.device
    assert device  # noqa: S101  (the caller has looked)
    association = ae.associate(
        device.host,
        device.port,
        contexts=[build_context(StorageCommitmentPushModel)],
        ae_title=row.title,
        ext_neg=[build_role(StorageCommitmentPushModel, scp_role=True)],
        **options,
    )
    if not association.is_established:
        return False
    try:
        status, _ = association.send_n_event_report(
            told, event, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        return bool(status) and status.Status == SUCCESS
    except ValueError as error:  # the machine does not take it
        log.warning("imaging: %s takes no storage commitment: %s", row.title, error)
        return False
    finally:
        association.release()


def due() -> list[int]:
    """The answers to deliver now."""
    return list(Commitment.due().order_by("next_at").values_list("pk", flat=True)[:100])
