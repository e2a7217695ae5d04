"""The notice of a breach to the authority as a printed form."""

from __future__ import annotations

from django.utils import translation

from tuetinh.commons.access.api import place_name
from tuetinh.commons.documents.api import pdf
from tuetinh.governance.privacy.models import Breach
from tuetinh.governance.privacy.words import NATURES


def notice(one: Breach) -> bytes:
    """The form of NĐ 356/2025 (Mẫu số 08), or of NĐ 13/2023 (Mẫu số 03) for what was detected in its time.

    It is set in Vietnamese, whatever the language of the reader.
    """
    with translation.override("vi"):
        concerned = one.people.count()
        data = {
            "facility": {"name": place_name("Organization", one.facility) or "Sở Y tế"},
            "form": one.form, "law": one.law, "title": one.title, "nature": str(NATURES[one.nature]),
            "detected": one.detected, "happened": one.happened, "until": one.happened_until, "place": one.place,
            "conduct": one.conduct, "actors": one.actors, "kinds": one.kinds,
            "amount": one.amount if one.amount is not None else (concerned or ""), "concerned": concerned,
            "sensitive": one.sensitive, "contact": one.contact, "phone": one.contact_phone, "mail": one.contact_mail,
            "consequences": one.consequences, "measures": one.measures, "late": one.late_reason,
            "told": one.people.filter(told__isnull=False).count(),
        }  # fmt: skip
        return pdf("privacy/breach_notice.typ", data)
