"""C-MOVE and C-GET (PS3.4 C.4.2, C.4.3): objects in a transfer syntax that the receiver takes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, build_context
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from tuetinh.care.imaging.archive.queries import Object
from tuetinh.care.imaging.archive.syntaxes import PLAIN, CannotConvert, in_one_of

log = logging.getLogger(__name__)
CONTEXTS = 128  # that an association can have (PS3.8, 7.1.1.13)
Accepted = Mapping[str, set[str]]


def contexts_for(objects: Iterable[Object]) -> list[PresentationContext]:
    """What to propose to a receiver: each class in the syntaxes that its objects are kept in, and plain ones."""
    wanted = dict.fromkeys((one.sop_class, one.transfer_syntax) for one in objects)
    classes = dict.fromkeys(sop_class for sop_class, _ in wanted)
    made = [build_context(sop_class, list(PLAIN)) for sop_class in classes]
    made += [build_context(sop_class, syntax) for sop_class, syntax in wanted if syntax not in PLAIN]
    return made[:CONTEXTS]


def accepted_by(association: Association) -> Accepted:
    """The syntaxes in which a peer takes objects, by SOP class."""
    found: dict[str, set[str]] = {}
    for context in association.accepted_contexts:
        if context.as_scu:
            found.setdefault(str(context.abstract_syntax), set()).update(map(str, context.transfer_syntax))
    return found


def probe(ae: AE, host: str, port: int, objects: Sequence[Object], options: dict[str, Any]) -> Accepted | None:
    """What a receiver takes, asked by an association of its own; None where it cannot be reached."""
    association = ae.associate(host, port, contexts=contexts_for(objects), **options)
    if not association.is_established:
        return None
    found = accepted_by(association)
    association.release()
    return found


def dataset(one: Object, accepted: Accepted) -> Dataset:
    """The object for a receiver; where it takes it in no syntax, what names it, for the sub-operation to fail."""
    syntaxes = accepted.get(one.sop_class)
    if syntaxes:
        try:
            found = in_one_of(one.path, syntaxes)
        except (CannotConvert, OSError) as error:
            log.warning("imaging: an object could not be given: %s", type(error).__name__)
        else:
            return found
    named = Dataset()
    named.SOPClassUID, named.SOPInstanceUID = one.sop_class, one.sop_instance
    return named
