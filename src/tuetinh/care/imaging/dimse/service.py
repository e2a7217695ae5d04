"""The application entity: who may call, and which handler answers what. A few threads work with the database."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator
from typing import Any, Final
from weakref import WeakKeyDictionary

import tuetinh.care.imaging.library.network  # noqa: F401

from pydicom.dataset import Dataset
from pynetdicom import _config, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityPerformedProcedureStep,
    ModalityWorklistInformationFind,
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)
from pynetdicom.transport import ThreadedAssociationServer

from tuetinh.care.imaging.archive.gathering import Gathering
from tuetinh.care.imaging.archive.matching import BadKey
from tuetinh.care.imaging.archive.workers import Workers
from tuetinh.care.imaging.dimse.giving import Caller, contexts_for, sub_operations
from tuetinh.care.imaging.dimse.listening import ASSOCIATIONS, Listener, listen, tls_context
from tuetinh.care.imaging.dimse.receiving import Handler, Incoming, Store, closed
from tuetinh.care.imaging.quiet import fault

log = logging.getLogger(__name__)
TITLE: Final = "TUETINH"
THREADS: Final = 8  # that ask the database
PDU: Final = 256 * 1024  # larger ones cost fewer turns of the protocol's machine
CANCELLED, PENDING, PENDING_WARNED, SUCCESS = 0xFE00, 0xFF00, 0xFF01, 0x0000
BAD_IDENTIFIER, UNABLE, NOT_AUTHORISED = 0xA900, 0xC000, 0x0124
_SERVICES: Final = (
    Verification,
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelMove,
    PatientRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelGet,
    ModalityWorklistInformationFind,
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
)
# Whatever is sent is taken: every storage class, also ones that nobody knows yet, in the syntax that senders prefer.
_config.UNRESTRICTED_STORAGE_SERVICE = True
_config.LOG_HANDLER_LEVEL = "none"  # else each message is told, with the names of people in it
_config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False  # which would be made for no log


class _Server(ThreadedAssociationServer):
    """Makes associations of callers whom a `Listener` lets in; listens to nobody itself."""

    store: Store

    def server_bind(self) -> None:
        """Take no port."""

    def server_activate(self) -> None:
        """Do not listen."""


class Entity:
    """A running application entity."""

    def __init__(self, title: str = TITLE) -> None:
        self.title = title
        self.workers = Workers(THREADS, "dicom")
        self._peers: WeakKeyDictionary[Association, Any] = WeakKeyDictionary()
        self._came: WeakKeyDictionary[Association, set[str]] = WeakKeyDictionary()
        self._listeners: list[Listener] = []
        self._gathering = Gathering(self.workers)
        self.ae = Caller(title)
        self.ae.maximum_pdu_size = PDU
        self.ae.maximum_associations = ASSOCIATIONS
        self.ae.network_timeout = 300
        for service in _SERVICES:
            self.ae.add_supported_context(service, scu_role=True, scp_role=True)
        self.handlers = [
            (evt.EVT_CONN_OPEN, _without_delay),
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_C_STORE, lambda event: self._store(event.assoc, event.request.DataSet.incoming)),
            (evt.EVT_RELEASED, self._released),
            (evt.EVT_CONN_CLOSE, lambda event: closed(event.assoc)),
            (evt.EVT_C_FIND, self._find),
            (evt.EVT_C_MOVE, self._move),
            (evt.EVT_C_GET, self._get),
            (evt.EVT_N_ACTION, self._commit),
            (evt.EVT_N_CREATE, self._begin),
            (evt.EVT_N_SET, self._change),
        ]
        self._server = self.ae.make_server(
            ("localhost", 0), evt_handlers=self.handlers, server_class=_Server, request_handler=Handler
        )
        self._server.store = self._store

    def start(self, host: str, port: int) -> int:
        """Listen; returns the port."""
        self._listeners = listen(host, port, self.answer)
        return int(self._listeners[0].server_address[1])

    def answer(self, connection: socket.socket, address: tuple[str, int]) -> None:
        """Answer a caller, on threads of its own."""
        self._server.process_request_thread(connection, address)

    def close(self) -> None:
        """Take no more calls, end the open ones, leave the database."""
        for listener in self._listeners:
            listener.close()
        self.ae.shutdown()
        self._server.server_close()
        self._gathering.close()
        self.workers.close()

    def deliver_due(self) -> None:
        """Deliver the storage commitments that are due."""
        from tuetinh.care.imaging.dimse import committing

        with contextlib.suppress(Exception):  # without a database: at the next look
            for commitment in self.workers.run(committing.due):
                self.workers.run(committing.deliver, self.title, commitment, calling)

    def _requested(self, event: evt.Event) -> None:
        from tuetinh.care.imaging.dimse import peers

        association = event.assoc
        title = str(association.requestor.primitive.calling_ae_title).strip()
        address = str(association.requestor.address).removeprefix("::ffff:")
        secure = isinstance(association.dul.socket.socket, ssl.SSLSocket)
        try:
            peer = self.workers.run(lambda: peers.find(title, address, tls=secure))
        except Exception as error:
            log.error("imaging: a caller could not be looked up: %s", fault(error))
            association.acse.send_reject(0x02, 0x02, 0x01)  # transient
            association.kill()  # once it is sent
            return
        if peer is None:
            log.warning("imaging: %s at %s may not call", title, address)
            association.acse.send_reject(0x01, 0x01, 0x03)  # calling AE title not recognised
            association.kill()
            return
        self._peers[association] = peer

    def _store(self, association: Association, incoming: Incoming) -> int:
        from tuetinh.care.imaging.dimse import storing

        try:
            status, study = storing.store(self._peers[association], incoming.whole, self._gathering.settle)
        finally:
            incoming.drop()  # where it was not taken
        if study:
            self._came.setdefault(association, set()).add(study)
        return status

    def _released(self, event: evt.Event) -> None:
        """Tell the record at once of studies that are new; of others the worker does, a little later."""
        from tuetinh.care.imaging.archive.recording import record_new

        if studies := self._came.pop(event.assoc, None):
            self.workers.submit(record_new, studies)

    def _find(self, event: evt.Event) -> Iterator[tuple[int | Dataset, Dataset | None]]:
        from tuetinh.care.imaging.dimse import finding, working

        peer, asked = self._peers[event.assoc], event.identifier
        is_worklist = event.context.abstract_syntax == ModalityWorklistInformationFind
        if not (peer.device.works if is_worklist else peer.device.finds):
            yield NOT_AUTHORISED, None
            return
        try:
            if is_worklist:
                found, more = self.workers.run(working.worklist, peer, asked)
            else:
                known = self.workers.run(_matches, peer.asker, finding.wanted(asked))
                found, more = known.matches, known.more
            for number, one in enumerate(found, start=1):
                if event.is_cancelled:
                    yield CANCELLED, None
                    return
                told = one if is_worklist else finding.identifier(one, asked, self.title)
                yield (_there_are_more() if more and number == len(found) else PENDING), told
        except (finding.BadIdentifier, BadKey):
            yield BAD_IDENTIFIER, None
        except Exception as error:
            log.error("imaging: a query could not be answered: %s", fault(error))
            yield UNABLE, None

    def _move(self, event: evt.Event) -> Iterator[Any]:
        from tuetinh.care.imaging.dimse import peers

        peer = self._peers[event.assoc]
        device = self.workers.run(peers.destination, peer, str(event.move_destination).strip())
        if device is None or not peer.device.retrieves:
            yield None, None
            return
        objects = self._objects(event)
        options = {"ae_title": device.title, **calling(device.tls)}
        yield device.host, device.port, {"contexts": contexts_for(objects), **options}
        yield from _given(event, objects)

    def _get(self, event: evt.Event) -> Iterator[Any]:
        from tuetinh.care.imaging.dimse import finding

        refused = 0 if self._peers[event.assoc].device.retrieves else NOT_AUTHORISED
        try:
            objects = [] if refused else self._objects(event)
        except finding.BadIdentifier:
            refused = BAD_IDENTIFIER
        if refused:
            yield 1  # for none is a success
            yield refused, None
            return
        yield from _given(event, objects)

    def _objects(self, event: evt.Event) -> list[Any]:
        """The objects that are asked for. Raises finding.BadIdentifier, which C-MOVE tells as unable to process."""
        from tuetinh.care.imaging.dimse import finding

        return self.workers.run(_objects, self._peers[event.assoc].asker, finding.wanted_objects(event.identifier))

    def _commit(self, event: evt.Event) -> tuple[int, None]:
        from tuetinh.care.imaging.dimse import committing

        peer = self._peers[event.assoc]
        status, commitment = self.workers.run(committing.request, peer, event.action_type, event.action_information)
        if commitment is not None:
            self.workers.submit(committing.deliver, self.title, commitment, calling)
        return status, None

    def _begin(self, event: evt.Event) -> tuple[int, Dataset | None]:
        from tuetinh.care.imaging.dimse import working

        told = event.attribute_list
        status = self.workers.run(
            working.begin, self._peers[event.assoc], str(event.request.AffectedSOPInstanceUID or ""), told
        )
        return status, (told if status == SUCCESS else None)

    def _change(self, event: evt.Event) -> tuple[int, Dataset | None]:
        from tuetinh.care.imaging.dimse import working

        told = event.modification_list
        status = self.workers.run(
            working.change, self._peers[event.assoc], str(event.request.RequestedSOPInstanceUID or ""), told
        )
        return status, (told if status == SUCCESS else None)


def _given(event: evt.Event, objects: list[Any]) -> Iterator[Any]:
    """How many sub-operations there are, and each of them."""
    made = sub_operations(objects)
    yield len(made)
    for one in made:
        if event.is_cancelled:
            yield CANCELLED, None
            return
        yield PENDING, one


def _there_are_more() -> Dataset:
    """The status of the last match that is given where there are more: pending, with a warning (PS3.4, C.4.1.1.4)."""
    status = Dataset()
    status.Status, status.ErrorComment = PENDING_WARNED, "there are more matches, ask for fewer"
    return status


def _matches(asker: Any, wanted: Any) -> Any:
    from tuetinh.care.imaging.archive import queries
    from tuetinh.record.steps import run

    return run(asker, queries.find(asker, wanted))


def _objects(asker: Any, wanted: Any) -> list[Any]:
    from tuetinh.care.imaging.archive import queries
    from tuetinh.record.steps import run

    return run(asker, queries.objects(asker, wanted))


def _without_delay(event: evt.Event) -> None:
    """Send each message at once: Nagle's algorithm would let it wait for the peer's acknowledgement, 40 ms each."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def calling(tls: bool) -> dict[str, Any]:  # noqa: FBT001
    """How this entity calls another one."""
    options: dict[str, Any] = {"evt_handlers": [(evt.EVT_CONN_OPEN, _without_delay)], "max_pdu": PDU}
    if tls and (context := tls_context(server_side=False)):
        options["tls_args"] = (context, None)  # no name, which "" would be
    return options
