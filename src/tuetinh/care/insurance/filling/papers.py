"""Tables 6 to 15: papers. What was asked is an answer, what table 1 says is taken from it, the rest is told here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from tuetinh.care.insurance.filling.fills import NUMBERED, Claimed, Fill, Filling
from tuetinh.care.insurance.filling.reading import licence, staff_name
from tuetinh.care.insurance.filling.summary import times
from tuetinh.care.insurance.papers.catalogue import PAPERS, Paper, described
from tuetinh.care.insurance.papers.facts import Answered
from tuetinh.care.insurance.situations import moment
from tuetinh.care.insurance.tables import DECISIONS, decision
from tuetinh.commons.identity.api import CCCD, identifier
from tuetinh.record import r4

CHILD: Final = "TE"  # group of a card that stands for a child's


@dataclass(frozen=True, slots=True)
class Issued:
    """A paper of a visit, and the claim that it is part of."""

    claimed: Claimed
    paper: Answered

    def summary(self, name: str) -> str:
        """A field of table 1."""
        return self.claimed.summary.get(name, "")

    def answer(self, name: str) -> str:
        """What was answered."""
        return self.paper.answers.get(name, "")

    @property
    def issued(self) -> datetime | None:
        """When it was issued."""
        return moment(self.paper.issued)


def same(name: str) -> Fill:
    """What table 1 says."""
    return Fill(f"XML1.{name}", lambda p: p.summary(name))


def _asked(paper: Paper, name: str) -> Fill:
    return Fill(f"QuestionnaireResponse({paper.name}).{name}", lambda p: p.answer(name))


def _number(prefix: Callable[[Issued], str] = lambda _: "") -> Fill:
    return Fill("QuestionnaireResponse.identifier", lambda p: f"{prefix(p)}{p.paper.number}")


def last_day(answers: Mapping[str, str], since: str, count: str) -> str:
    """The last day of so many days from the first, "" where one of them is not told."""
    first, days = answers.get(since, ""), answers.get(count, "")
    if not (len(first) == 8 and days.isdigit()):
        return ""
    return f"{date(int(first[:4]), int(first[4:6]), int(first[6:])) + timedelta(days=int(days) - 1):%Y%m%d}"


def _last_day(since: str, count: str) -> Fill:
    return Fill(f"{since} + {count} - 1", lambda p: last_day(p.paper.answers, since, count))


def _insured(p: Issued) -> str:
    """MA_BHXH: of the person, else the last ten digits of the card."""
    own = identifier(p.claimed.visit.patient, "bhxh")
    card = p.summary("MA_THE_BHYT").split(";")[-1]
    return own or (card[5:] if len(card) == 15 else "")


def _to_rest(p: Issued) -> str:
    """CHAN_DOAN_RV of table 10, which must say what the leave is for."""
    return "; ".join(filter(None, (p.summary("CHAN_DOAN_RV"), "Dưỡng thai")))


def _temporary(p: Issued) -> str:
    """MA_THE_TAM: a card that the person has until the insurer gives a number."""
    card = p.summary("MA_THE_BHYT").split(";")[-1]
    return card if card.startswith(f"{CHILD}1") else ""


BIRTH_NOTES: Final = {
    ("1", "0"): "Sinh con phải phẫu thuật",
    ("0", "1"): "Sinh con dưới 32 tuần tuổi",
    ("1", "1"): "Phẫu thuật, sinh con dưới 32 tuần tuổi",
}  # QĐ 3176, bảng 9, trường 28: by SINHCON_PHAUTHUAT and SINHCON_DUOI32TUAN


def _birth_note(p: Issued) -> str:
    """GHI_CHU of table 9: the words that the annex has for such a birth, then what was noted."""
    flags = p.answer("SINHCON_PHAUTHUAT") or "0", p.answer("SINHCON_DUOI32TUAN") or "0"
    wanted, noted = BIRTH_NOTES.get(flags, ""), p.answer("GHI_CHU")
    return noted if wanted.casefold() in noted.casefold() else "; ".join(filter(None, (wanted, noted)))


def _identity(part: Callable[[r4.Identifier], str]) -> Callable[[Issued], str]:
    def read(p: Issued) -> str:
        return next((part(i) for i in p.claimed.visit.patient.identifier or [] if i.system == CCCD), "")

    return read


def _or_asked(name: str, source: str, known: Callable[[Issued], str]) -> Fill:
    return Fill(f"{source}, QuestionnaireResponse.{name}", lambda p: known(p) or p.answer(name))


_GIVEN_ON = _identity(lambda i: ((i.period.start or "")[:10].replace("-", "")) if i.period else "")
_GIVEN_BY = _identity(lambda i: (i.assigner.display or "") if i.assigner else "")
HEAD, SIGNER = same("MA_TTDV"), Fill("QuestionnaireResponse.author", lambda p: licence(p.claimed.visit, p.paper.author))
SIGNER_NAME = Fill("QuestionnaireResponse.author", lambda p: staff_name(p.claimed.visit, p.paper.author))
ISSUED = Fill("QuestionnaireResponse.authored", lambda p: f"{p.issued:%Y%m%d}" if p.issued else "")
LEFT = Fill("Encounter.period.end", lambda p: f"{end:%Y%m%d}" if (end := times(p.claimed.visit)[1]) else "")
SERIES = _number(lambda p: f"{p.summary('MA_CSKCB')}.")


def _lines(table: str, name: str) -> Fill:
    def read(p: Issued) -> str:
        return "; ".join(dict.fromkeys(one[name] for one in p.claimed.tables[table] if one.get(name)))[:1024]

    return Fill(f"{table}.{name}", read)


# What neither a question nor table 1 under the same name says, by table.
OWN: Final[Mapping[str, Mapping[str, Fill]]] = {
    "XML6": {
        "MA_THE_BHYT": same("MA_THE_BHYT"), "SO_CCCD": same("SO_CCCD"),
    },
    "XML7": {
        "SO_LUU_TRU": _number(), "MA_YTE": same("MA_BN"), "MA_TTDV": HEAD, "MA_BS": SIGNER, "TEN_BS": SIGNER_NAME,
        "MA_KHOA_RV": Fill("XML1.MA_KHOA (cuối)", lambda p: p.summary("MA_KHOA").split(";")[-1]), "NGAY_CT": LEFT,
        "NGAY_VAO": same("NGAY_VAO"), "NGAY_RA": same("NGAY_RA"), "CHAN_DOAN_RV": same("CHAN_DOAN_RV"),
        "MA_THE_TAM": Fill("XML1.MA_THE_BHYT (thẻ tạm)", _temporary),
    },
    "XML8": {
        "MA_LOAI_KCB": same("MA_LOAI_KCB"), "NGAY_VAO": same("NGAY_VAO"), "NGAY_RA": same("NGAY_RA"),
        "CHAN_DOAN_VAO": same("CHAN_DOAN_VAO"), "CHAN_DOAN_RV": same("CHAN_DOAN_RV"), "MA_TTDV": HEAD,
        "KET_QUA_DTRI": same("KET_QUA_DTRI"), "NGAY_CT": ISSUED,
        "MA_THE_TAM": Fill("XML1.MA_THE_BHYT (thẻ tạm)", _temporary),
    },
    "XML9": {
        "MA_BHXH_NND": Fill("Patient.identifier(bhxh), XML1.MA_THE_BHYT", _insured), "HO_TEN_NND": same("HO_TEN"),
        "MA_THE_NND": Fill("XML1.MA_THE_BHYT (cuối)", lambda p: p.summary("MA_THE_BHYT").split(";")[-1]),
        "NGAYSINH_NND": Fill("XML1.NGAY_SINH", lambda p: p.summary("NGAY_SINH")[:8]),
        "MA_DANTOC_NND": same("MA_DANTOC"), "SO_CCCD_NND": same("SO_CCCD"), "NOI_CU_TRU_NND": same("DIA_CHI"),
        "MA_QUOCTICH": same("MA_QUOCTICH"), "MATINH_CU_TRU": same("MATINH_CU_TRU"),
        "MAHUYEN_CU_TRU": same("MAHUYEN_CU_TRU"), "MAXA_CU_TRU": same("MAXA_CU_TRU"),
        "NGAYCAP_CCCD_NND": _or_asked("NGAYCAP_CCCD_NND", "Patient.identifier.period", _GIVEN_ON),
        "NOICAP_CCCD_NND": _or_asked("NOICAP_CCCD_NND", "Patient.identifier.assigner", _GIVEN_BY),
        "NOI_SINH_CON": Fill("Organization.name", lambda p: p.claimed.visit.facility.name), "NGAY_CT": ISSUED,
        "NGUOI_GHI_PHIEU": SIGNER_NAME, "SO": _number(), "MA_TTDV": HEAD,
        "QUYEN_SO": Fill("QuestionnaireResponse.authored (năm)", lambda p: f"{p.issued:%Y}" if p.issued else ""),
        "GHI_CHU": Fill(
            "QuestionnaireResponse(chung-sinh).SINHCON_PHAUTHUAT, SINHCON_DUOI32TUAN, GHI_CHU", _birth_note
        ),
    },
    "XML10": {
        "SO_SERI": SERIES, "SO_CT": _number(), "CHAN_DOAN_RV": Fill("XML1.CHAN_DOAN_RV; Dưỡng thai", _to_rest),
        "MA_TTDV": HEAD, "MA_BS": SIGNER, "TEN_BS": SIGNER_NAME, "NGAY_CT": ISSUED,
    },
    "XML11": {
        "SO_CT": _number(), "SO_SERI": SERIES, "SO_KCB": same("MA_HSBA"), "MA_THE_BHYT": same("MA_THE_BHYT"),
        "MA_BHXH": Fill("Patient.identifier(bhxh), XML1.MA_THE_BHYT", _insured), "CHAN_DOAN_RV": same("CHAN_DOAN_RV"),
        "MA_TTDV": HEAD, "MA_BS": SIGNER, "NGAY_CT": ISSUED, "MAU_SO": Fill("CT07", lambda _: "CT07"),
        "MA_THE_TAM": Fill("XML1.MA_THE_BHYT (thẻ tạm)", _temporary),
    },
    "XML12": {
        "HO_TEN": same("HO_TEN"), "NGAY_SINH": Fill("XML1.NGAY_SINH", lambda p: p.summary("NGAY_SINH")[:8]),
        "SO_CCCD": same("SO_CCCD"), "DIA_CHI": same("DIA_CHI"), "MATINH_CU_TRU": same("MATINH_CU_TRU"),
        "MAHUYEN_CU_TRU": same("MAHUYEN_CU_TRU"), "MAXA_CU_TRU": same("MAXA_CU_TRU"), "DIEN_THOAI": same("DIEN_THOAI"),
        "MA_BHXH": Fill("Patient.identifier(bhxh), XML1.MA_THE_BHYT", _insured), "SO_BIEN_BAN": _number(),
        "MA_THE_BHYT": Fill("XML1.MA_THE_BHYT (cuối)", lambda p: p.summary("MA_THE_BHYT").split(";")[-1]),
        "NGHE_NGHIEP": same("MA_NGHE_NGHIEP"), "NGAY_CHUNG_TU": ISSUED,
        "NGAY_CAP_CCCD": _or_asked("NGAY_CAP_CCCD", "Patient.identifier.period", _GIVEN_ON),
        "NOI_CAP_CCCD": _or_asked("NOI_CAP_CCCD", "Patient.identifier.assigner", _GIVEN_BY),
    },
    "XML13": {
        "SO_HOSO": same("MA_HSBA"), "SO_CHUYENTUYEN": _number(), "GIAY_CHUYEN_TUYEN": _number(),
        "MA_CSKCB_DI": same("MA_NOI_DI"), "NGAY_VAO": same("NGAY_VAO"), "NGAY_RA": same("NGAY_RA"),
        "MA_BAC_SI": SIGNER, "MA_TTDV": HEAD, "TEN_DICH_VU": _lines("XML3", "TEN_DICH_VU"),
        "TEN_THUOC": _lines("XML2", "TEN_THUOC"),
    },
    "XML15": {"MA_BN": same("MA_BN"), "SO_CCCD": same("SO_CCCD")},
}  # fmt: skip


def _as_told(name: str, how: Fill) -> Fill:
    """As the paper of another system says, else as here: ours answer what was asked alone."""
    return Fill(how.source, lambda p: p.answer(name) or how.read(p))


def _filling(paper: Paper) -> Filling:
    """How the table of a paper is filled, in all decisions that have it."""
    fields: dict[str, Fill] = {"MA_LK": same("MA_LK")}
    known = {
        one.name: one for by in DECISIONS if (found := decision(by).tables.get(paper.table)) for one in found.fields
    }
    if "MA_LK" not in known:
        del fields["MA_LK"]  # table 12 is keyed by hand
    if "STT" in known:
        fields["STT"] = NUMBERED
    for name, one in known.items():
        if one.same and one.same != "PP_DIEUTRI":
            fields[name] = same(one.same)
    fields |= {name: _asked(paper, name) for name in paper.asked}
    fields |= OWN[paper.table]
    if paper.days:
        since, last, count = paper.days
        fields[last] = _last_day(since, count)
    fields |= {name: _as_told(name, how) for name, how in fields.items() if name not in ("MA_LK", "STT", *paper.asked)}

    def rows(claimed: Claimed) -> Iterator[tuple[Issued, Mapping[str, str]]]:
        for one in claimed.visit.papers.get(paper.name, []):
            yield Issued(claimed, one), {"QuestionnaireResponse": one.id, "Encounter": claimed.visit.id}

    return Filling(rows, fields)


OF_PAPERS: Final = {paper.table: _filling(paper) for paper in PAPERS.values()}

# Table 14 -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Again:
    """An appointment to be seen again, and the claim that it is part of."""

    claimed: Claimed
    one: r4.Appointment

    def summary(self, name: str) -> str:
        """A field of table 1."""
        return self.claimed.summary.get(name, "")


def _who(p: Again) -> str:
    actors = [one.actor for one in p.one.participant if one.actor]
    doctor = next((one for one in actors if (one.reference or "").startswith("Practitioner/")), None)
    return licence(p.claimed.visit, doctor)


def _appointment_number(p: Again) -> str:
    return next((i.value or "" for i in p.one.identifier or []), "")


def _day(text: str | None) -> str:
    return f"{at:%Y%m%d}" if (at := moment(text)) else ""


def _appointments(claimed: Claimed) -> Iterator[tuple[Again, Mapping[str, str]]]:
    for one in claimed.visit.appointments:
        yield Again(claimed, one), {"Appointment": one.id or ""}


AGAIN: Final = Filling(
    _appointments,
    {
        **{one.name: same(one.same or one.name) for one in described("XML14").values() if one.name != "DU_PHONG"},
        "SO_GIAYHEN_KL": Fill(
            "Appointment.identifier", lambda p: next((i.value or "" for i in p.one.identifier or []), "")
        ),
        "NGAY_HEN_KL": Fill("Appointment.start", lambda p: _day(p.one.start)),
        "MA_BAC_SI": Fill("Appointment.participant, Practitioner.qualification", _who),
        "NGAY_CT": Fill("Appointment.created", lambda p: _day(p.one.created)),
    },
)
