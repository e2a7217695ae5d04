"""Pictures and curves of results: a Media with its content as Binary, linked from the report of the order."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, Final, cast

from django.db import transaction
from django.utils.translation import gettext as _

from tuetinh.care.lab import actions, facts
from tuetinh.care.lab.errors import BadPicture, NeedsReason, NoTube, WrongStage
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.results.facts import who
from tuetinh.care.lab.results.work import Work, Writes, work_on
from tuetinh.care.lab.words import CURVES
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Gone, NotFound

if TYPE_CHECKING:
    from PIL import Image

# Contents are for no desk of the laboratory by themselves: who may see the Media may see what it holds.
HOLDER: Final = SYSTEM
LARGEST: Final = 10 * 1024 * 1024  # bytes
# How a file of a kind begins: what a name or a browser says of it is not believed.
_BEGINNINGS: Final = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"%PDF-": "application/pdf"}
SVG: Final = "image/svg+xml"  # only what we have drawn ourselves: one that came from elsewhere may hold a script
_DRAWN: Final = (b"BM", b"GIF8", b"II*\0", b"MM\0*")  # how files begin that browsers or documents do not show
_PRINTED: Final = 900  # pixels of the longer side on paper
_PIXELS: Final = 25_000_000  # of one picture that is opened: a few bytes can say that they are any number
_CLOSED: Final = (Tube.Stage.ORDERED, Tube.Stage.REJECTED, Tube.Stage.CANCELLED)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in a list. kind: its media type."""

    id: str
    title: str
    kind: str

    @property
    def drawable(self) -> bool:
        """Whether a page can show it in its place."""
        return self.kind.startswith("image/")


@dataclass(frozen=True, slots=True)
class Sent:
    """A picture that a machine sent, or that was drawn of what it sent. kind: its media type."""

    title: str
    content: bytes
    kind: str


def kind_of(content: bytes) -> str:
    """The media type of a content that is accepted, or ""."""
    return next((kind for beginning, kind in _BEGINNINGS.items() if content.startswith(beginning)), "")


def shown(content: bytes) -> bytes:
    """A content in a kind that is accepted: bitmaps of machines (BMP, GIF, TIFF) become PNG; b"" for what is none."""
    if kind_of(content):
        return content if len(content) <= LARGEST else b""
    if not content.startswith(_DRAWN):
        return b""
    from PIL import Image, UnidentifiedImageError

    drawn = BytesIO()
    try:
        with Image.open(BytesIO(content)) as image:
            _on_white(image).save(drawn, "PNG")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError):
        return b""
    return drawn.getvalue() if drawn.tell() <= LARGEST else b""


def attach(asker: Asker, number: str, order: str, title: str, content: bytes) -> r4.Media:
    """Attach a picture or curve (PNG, JPEG, PDF) to the result of an order. Raises BadPicture, WrongStage, NoTube.

    A report that was handed out becomes one with something appended.
    """
    if not kind_of(content) or len(content) > LARGEST or not title.strip():
        raise BadPicture
    with transaction.atomic():
        work = _at_work(asker, number)
        request = work.orders.get(order)
        if not request or request.status == "revoked":
            raise NoTube
        media = keep(asker, request, title, content)
        links = [*_links(work, order), r4.DiagnosticReportMedia(link=record.ref(media))]
        _link(actions.at_bench(asker), work, request, links)
    return media


def keep(asker: Asker, request: r4.ServiceRequest, title: str, content: bytes) -> r4.Media:
    """Keep a picture of an order, within the caller's transaction; its kind is known (`kind_of`)."""
    binary = _held(request, content, kind_of(content))
    return record.create(actions.as_desk(asker), _media(asker, request, title.strip()[:200], binary, len(content)))


def _held(request: r4.ServiceRequest, content: bytes, kind: str) -> r4.Binary:
    binary = r4.Binary(id=record.new_id(), contentType=kind, securityContext=request.subject)
    record.create_binary(HOLDER, binary, [content])
    return binary


def from_machine(asker: Asker, work: Work, order: str, found: Iterable[Sent], into: Writes) -> None:
    """Note pictures that a machine sent for an order of a locked tube in `into`.

    What was sent before is not kept twice, nor what a person took back.
    """
    request = work.orders[order]
    named = {_named(order, one.content): one for one in found}
    known = record.read_many(into.desk, "Media", list(named))
    new = [(id_, one) for id_, one in named.items() if id_ not in known]
    for id_, one in new:
        binary = _held(request, one.content, one.kind)
        into.put(_media(asker, request, one.title.strip()[:200], binary, len(one.content), id_=id_), known=False)
    if new:
        linked = [*_links(work, order), *(r4.DiagnosticReportMedia(link=facts.ref("Media", id_)) for id_, *_ in new)]
        _note(work, request, linked, into)


def _named(order: str, content: bytes) -> str:
    """The id of the Media of what a machine sent for an order."""
    return f"{order}-{sha256(content).hexdigest()[:24]}"


def detach(asker: Asker, number: str, picture: str, reason: str) -> None:
    """Take a picture back that was attached in error. Raises NeedsReason, NoTube."""
    if not reason.strip():
        raise NeedsReason
    with transaction.atomic():
        work = _at_work(asker, number)
        for order, request in work.orders.items():
            links = _links(work, order)
            left = [one for one in links if facts.id_of(one.link) != picture]
            if len(left) == len(links):
                continue
            desk = actions.at_bench(asker)
            media = cast(r4.Media, record.read(desk, "Media", picture))
            media.status = "entered-in-error"
            media.note = [*(media.note or []), r4.Annotation(text=reason.strip()[:300], time=facts.now())]
            record.update(desk, media)
            _link(desk, work, request, left)
            return
    raise NoTube


def of_work(asker: Asker, work: Work) -> dict[str, list[Picture]]:
    """The pictures of a tube by order, in one read."""
    linked = {order: [facts.id_of(one.link) for one in _links(work, order)] for order in work.orders}
    return _pictures(actions.at_bench(asker), linked)


def of_reports(asker: Asker, orders: list[str]) -> dict[str, list[Picture]]:
    """The pictures of reports that were handed out, by order, in two reads."""
    reports = record.read_many(asker, "DiagnosticReport", [facts.report_id(order) for order in orders])
    return _pictures(actions.as_desk(asker), _handed_out(reports, orders))


def for_print(asker: Asker, work: Work) -> Iterator[tuple[str, str]]:
    """The titles of the pictures that were handed out with a tube, with what each is in SVG, for a print.

    What the asker may not see, and what is gone or cannot be drawn, is left out.
    """
    linked = [id_ for ids in _handed_out(work.reports, work.orders).values() for id_ in ids]
    found = _read(asker, linked)
    for media in (found[id_] for id_ in linked if id_ in found):
        try:
            svg = _as_svg(media)
        except (NotFound, Gone):
            continue
        if svg:
            yield _picture(media).title, svg


def _handed_out(reports: Mapping[str, r4.Resource], orders: Iterable[str]) -> dict[str, list[str]]:
    """The ids of the Media of reports that were handed out, by order."""
    told = {order: reports.get(facts.report_id(order)) for order in orders}
    return {
        order: [facts.id_of(one.link) for one in report.media or []]
        for order, report in told.items()
        if isinstance(report, r4.DiagnosticReport) and report.status not in ("registered", "preliminary")
    }


def _pictures(asker: Asker, linked: dict[str, list[str]]) -> dict[str, list[Picture]]:
    found = _read(asker, [id_ for ids in linked.values() for id_ in ids])
    return {order: [_picture(found[id_]) for id_ in ids if id_ in found] for order, ids in linked.items() if ids}


def _read(asker: Asker, ids: list[str]) -> dict[str, r4.Media]:
    return cast("dict[str, r4.Media]", record.read_many(asker, "Media", ids)) if ids else {}


def _picture(media: r4.Media) -> Picture:
    content = media.content or r4.Attachment()
    title = content.title or ""
    return Picture(media.id or "", _(title) if title in CURVES else title, content.contentType or "")


def content(asker: Asker, picture: str) -> tuple[str, bytes]:
    """The media type and the bytes of a picture that the asker may see. Raises NotFound, Gone.

    A Media may come from anywhere: what it names is another person's or no picture as far as is known.
    """
    return _content(cast(r4.Media, record.read(asker, "Media", picture)))


def _content(media: r4.Media) -> tuple[str, bytes]:
    type_, _, id_ = ((media.content.url or "") if media.content else "").partition("/")
    if type_ != "Binary":
        raise NotFound
    held = record.read_binary(HOLDER, id_)
    if held.patient != facts.id_of(media.subject) or held.media not in {*_BEGINNINGS.values(), SVG}:
        raise NotFound
    return held.media, b"".join(held.chunks())


def _as_svg(media: r4.Media) -> str:
    """A picture in SVG, no larger than a print needs; "" for what cannot be drawn. Raises NotFound, Gone."""
    kind, held = _content(media)
    if kind == SVG:  # one that we did not draw may be no drawing at all
        ours = media.id in {_named(facts.id_of(one), held) for one in media.basedOn or []}
        return held.decode() if ours else ""
    return _wrapped(held) if kind.startswith("image/") else ""


def _wrapped(held: bytes) -> str:
    from PIL import Image, UnidentifiedImageError

    drawn = BytesIO()
    try:
        with Image.open(BytesIO(held)) as image:
            small = _on_white(image, _PRINTED)
            small.save(drawn, "JPEG", quality=85)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        return ""
    (wide, tall), data = small.size, b64encode(drawn.getvalue()).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {tall}">'
        f'<image width="{wide}" height="{tall}" href="data:image/jpeg;base64,{data}"/></svg>'
    )


def _on_white(image: Image.Image, longest: int = 0) -> Image.Image:
    """A picture as it stands on paper, where white lies below what is transparent. Raises ValueError.

    longest: pixels that its longer side may have; 0 leaves it as large as it is.
    """
    from PIL import Image

    if image.width * image.height > _PIXELS:
        message = "a picture of so many pixels is not opened"
        raise ValueError(message)
    kind = "RGBA" if image.has_transparency_data else "RGB"
    seen = image if image.mode == kind else image.convert(kind)
    if longest:
        seen.thumbnail((longest, longest))
    if kind == "RGB":
        return seen
    paper = Image.new("RGB", seen.size, "white")
    paper.paste(seen, mask=seen)
    return paper


def _at_work(asker: Asker, number: str) -> Work:
    tube = actions.lock(asker, number)
    if tube.stage in _CLOSED:
        raise WrongStage
    return work_on(actions.as_desk(asker), tube)


def _links(work: Work, order: str) -> list[r4.DiagnosticReportMedia]:
    report = work.reports.get(facts.report_id(order))
    return list(report.media or []) if isinstance(report, r4.DiagnosticReport) else []


def _link(desk: Asker, work: Work, request: r4.ServiceRequest, links: list[r4.DiagnosticReportMedia]) -> None:
    writes = Writes(desk)
    _note(work, request, links, writes)
    writes.keep()


def _note(work: Work, request: r4.ServiceRequest, links: list[r4.DiagnosticReportMedia], writes: Writes) -> None:
    """Give the report of an order its pictures: the one that is about to be written, or its next version."""
    id_ = facts.report_id(request.id or "")
    old = work.reports.get(id_)
    report = old if isinstance(old, r4.DiagnosticReport) else facts.report(request, [], "registered")
    report.media = links or None
    if not any(report is one for one in (*writes.new, *writes.changed)):
        if report is old:
            report.issued = facts.now()
            report.status = "appended" if old.status == "final" else old.status
        writes.put(report, known=report is old)
        work.reports[id_] = report
    if work.tube not in writes.tubes:
        writes.tubes.append(work.tube)


def _media(
    asker: Asker, request: r4.ServiceRequest, title: str, binary: r4.Binary, size: int, *, id_: str | None = None
) -> r4.Media:
    return r4.Media(
        id=id_,
        status="completed",
        type=r4.CodeableConcept(
            coding=[r4.Coding(system="http://terminology.hl7.org/CodeSystem/media-type", code="image")]
        ),
        basedOn=[facts.ref("ServiceRequest", request.id or "")],
        subject=request.subject,
        encounter=request.encounter,
        createdDateTime=facts.now(),
        issued=facts.now(),
        operator=who(asker) if asker.practitioner else None,
        content=r4.Attachment(
            contentType=binary.contentType, url=f"Binary/{binary.id}", title=title or None, size=size
        ),
    )
