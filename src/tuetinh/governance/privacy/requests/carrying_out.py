"""What the record itself does once a request is granted: consents end, purposes are closed."""

from __future__ import annotations

from tuetinh.commons.access.api import forbidding
from tuetinh.governance.privacy.models import SubjectRequest
from tuetinh.governance.privacy.purposes import consents
from tuetinh.governance.privacy.requests import facts
from tuetinh.record import r4
from tuetinh.record.asker import Asker


def carry_out(asker: Asker, request: SubjectRequest) -> None:
    """Do it in the name of the asker, who was allowed to finish the request.

    A correction is made by whoever wrote, a copy by the export of the record, a deletion by a council's decision; what
    is said to be done here is then only checked.
    """
    if request.kind == "withdraw":
        consent = facts.entry(asker, request.patient, request.about)
        if isinstance(consent, r4.Consent):
            forbidding.take_back(asker, consent)
            consents.ended(str(consent.id))
    elif request.kind in ("restrict", "object"):
        forbidding.forbid(asker, request.patient, request.facility, request.purpose)
