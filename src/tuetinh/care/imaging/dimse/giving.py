"""C-MOVE and C-GET (PS3.4 C.4.2, C.4.3): objects in a transfer syntax that the receiver takes.

What the receiver takes as it is kept goes from the file to the line piece by piece; what must be converted is read as a
whole. Sub-operations are counted in 16 bits (PS3.7, 9.3.3.1): where there are more objects, one stands for several.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from typing import Any, BinaryIO, Final

import tuetinh.care.imaging.library.network  # noqa: F401

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, build_context
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.presentation import PresentationContext

from tuetinh.care.imaging.archive.queries import Object
from tuetinh.care.imaging.archive.reading import to_dataset
from tuetinh.care.imaging.archive.syntaxes import PLAIN, CannotConvert, in_one_of
from tuetinh.care.imaging.dimse.commands import WHOLE_COMMAND, answered, asking
from tuetinh.care.imaging.dimse.line import wait_on
from tuetinh.record.contents.files import Away

log = logging.getLogger(__name__)
CONTEXTS: Final = 128  # that an association can have (PS3.8, 7.1.1.13)
COUNTED: Final = 65_535  # sub-operations
PART: Final = 256 * 1024  # bytes that are given to it at once, in as many pieces as the receiver takes
OVERHEAD: Final = 6  # bytes of a PDU beside a fragment
COMMAND, LAST = 0x01, 0x02  # bits of a Message Control Header (PS3.8, E.2)
TURN: Final = 0.5  # seconds in which an answer is waited for before the end of the association is looked for
LOOK: Final = 0.01  # seconds between two looks of the library's loop for the end of an association
FOR_EVER: Final = 86_400.0
SUCCESS: Final = 0x0000
Accepted = Mapping[str, set[str]]


def contexts_for(objects: Iterable[Object]) -> list[PresentationContext]:
    """What to propose to a receiver: each class in the syntaxes that its objects are kept in, and plain ones."""
    wanted = dict.fromkeys((one.sop_class, one.transfer_syntax) for one in objects)
    classes = dict.fromkeys(sop_class for sop_class, _ in wanted)
    made = [build_context(sop_class, list(PLAIN)) for sop_class in classes]
    made += [build_context(sop_class, syntax) for sop_class, syntax in wanted if syntax not in PLAIN]
    return made[:CONTEXTS]


class SubOperation(Dataset):
    """What is sent in one sub-operation, as the library passes it on: its objects, and the names of the first."""

    def __init__(self, objects: Sequence[Object]) -> None:
        super().__init__()
        self.SOPClassUID, self.SOPInstanceUID = objects[0].sop_class, objects[0].sop_instance
        self.objects = objects


def sub_operations(objects: Sequence[Object]) -> list[SubOperation]:
    """As many as can be counted."""
    each = -(-len(objects) // COUNTED) or 1
    return [SubOperation(objects[at : at + each]) for at in range(0, len(objects), each)]


class Giver(Association):
    """An association that sends sub-operations."""

    def release(self) -> None:
        """Release it on a thread of its own: who asked for the objects need not wait until the receiver has left."""
        threading.Thread(target=super().release, name="dicom-release", daemon=True).start()

    def send_c_store(self, dataset: Any, *arguments: Any, **options: Any) -> Dataset:
        """Send what a sub-operation holds; the status of what failed in it, else of the last. Raises as the library."""
        if not isinstance(dataset, SubOperation):
            return super().send_c_store(dataset, *arguments, **options)
        accepted = _accepted_by(self)
        failed = None
        for one in dataset.objects:
            status = self._give(one, accepted.get(one.sop_class, set()), *arguments, **options)
            if status.get("Status") != SUCCESS and failed is None:
                failed, dataset.SOPInstanceUID = status, one.sop_instance
        return failed or status

    def _give(self, one: Object, accepted: set[str], *arguments: Any, **options: Any) -> Dataset:
        try:
            if one.transfer_syntax in accepted:
                return self._stream(one, *arguments, **options)
            if accepted:
                return super().send_c_store(in_one_of(one.digest, accepted), *arguments, **options)
        except (CannotConvert, OSError, Away) as error:
            log.warning("imaging: an object could not be given: %s", type(error).__name__)
        failed = Dataset()
        failed.Status = 0xC000
        return failed

    def _stream(
        self,
        one: Object,
        msg_id: int = 1,
        priority: int = 2,
        originator_aet: str | None = None,
        originator_id: int | None = None,
    ) -> Dataset:
        """Send an object as it is kept."""
        context = self._get_valid_context(one.sop_class, UID(one.transfer_syntax), "scu", allow_conversion=False)
        request = C_STORE()
        request.MessageID, request.Priority = msg_id, priority
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = one.sop_class, one.sop_instance
        request.MoveOriginatorApplicationEntityTitle = originator_aet
        request.MoveOriginatorMessageID = originator_id
        size = (self.dimse.maximum_pdu_size or PART) - OVERHEAD
        line = self.dul
        with one.opened() as file, line.talking:
            for part in _parts(BytesIO(asking(request)), size, COMMAND):
                line.say(context.context_id, part)
            to_dataset(file)
            for part in _parts(file, size, 0):
                line.say(context.context_id, part)
            answer = self._heard()
        if answer is None:
            self._handle_no_response()
            return Dataset()
        return self._check_received_status(answer)

    def _heard(self) -> Any:
        """The answer of the peer, read on this thread; None where it does not come."""
        until = time.monotonic() + (self.dimse.dimse_timeout or FOR_EVER)
        while self.dul.stands and (left := until - time.monotonic()) > 0:
            self.dul.hear(min(left, TURN))
            with suppress(queue.Empty):
                return self.dimse.msg_queue.get_nowait()[1]
        return None


def _parts(file: BinaryIO, size: int, kind: int) -> Iterator[list[tuple[int, memoryview]]]:
    """The rest of a file in fragments of a message, many at once, each with its control header (PS3.8, E.2)."""
    whole = max(1, PART // size) * size
    found = file.read(whole)
    while found:
        following, view = file.read(whole), memoryview(found)
        part = [(kind, view[at : at + size]) for at in range(0, len(found), size)]
        if not following:
            part[-1] = (kind | LAST, part[-1][1])
        yield part
        found = following


def _accepted_by(association: Association) -> Accepted:
    """The syntaxes in which a peer takes objects, by SOP class."""
    found: dict[str, set[str]] = {}
    for context in association.accepted_contexts:
        if context.as_scu:
            found.setdefault(str(context.abstract_syntax), set()).update(map(str, context.transfer_syntax))
    return found


class _Asking(DIMSEServiceProvider):
    """Leaves answers to who asked: the library's loop takes one away when it is slow to see that it has to pause."""

    def get_msg(self, block: bool = False) -> Any:  # noqa: FBT001, FBT002
        """The next message, where it is waited for."""
        if block:
            return super().get_msg(block)
        time.sleep(LOOK)
        return None, None

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take a part of a message; a plain answer is read here."""
        values = primitive.presentation_data_value_list
        if not self.message and len(values) == 1 and values[0][1][0] == WHOLE_COMMAND:
            context, value = values[0]
            if answer := answered(bytes(value[1:])):
                self.msg_queue.put((context, answer))
                return
        super().receive_primitive(primitive)


class Caller(AE):
    """An entity whose associations send sub-operations."""

    def associate(self, *arguments: Any, **options: Any) -> Association:
        """Call another entity."""
        association = super().associate(*arguments, **options)
        association.__class__ = Giver  # the library makes its own
        association.dimse.__class__ = _Asking
        if association.is_established:
            wait_on(association)
        return association
