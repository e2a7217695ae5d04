"""The pages of the schedule: who waits for a time, a room's day, the times of one examination; the rooms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.imaging.errors import ImagingError
from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.rooms import actions, queries
from tuetinh.care.imaging.rooms.forms import CloseForm, DayForm, RoomForm, initial
from tuetinh.care.imaging.rooms.models import Booking, Room
from tuetinh.care.imaging.rooms.prints import sheet
from tuetinh.care.imaging.rules.book import in_force
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.documents.api import respond_pdf
from tuetinh.commons.identity.api import banner, names_of
from tuetinh.commons.ui.api import paginate

AHEAD = 7  # days from the one that is looked at, with how full they are


@desk("imaging")
@require_GET
@never_cache
def schedule(request: HttpRequest) -> HttpResponse:
    """Orders that wait for a time, of one modality (`?modality=`), the urgent first; and the rooms."""
    me, modality = asker(request), request.GET.get("modality", "")[:16]
    page = paginate(request, queries.waiting(me.facility, modality))
    exams = list(page.object_list)
    names = names_of(me, {exam.patient for exam in exams})
    how = queries.protocols(exams, me.facility)
    rooms = list(queries.rooms(me.facility))
    booked = queries.load([room.pk for room in rooms], _today(), 1)
    context = {
        "page": page, "modality": modality, "by_modality": queries.waiting_by_modality(me.facility),
        "rows": [(exam, names.get(exam.patient, ""), how.get(exam.pk)) for exam in exams],
        "rooms": [(room, booked.get((room.pk, _today()), 0)) for room in rooms], "facility": me.facility,
    }  # fmt: skip
    return render(request, "imaging/schedule.html", context)


def _today() -> date:
    return datetime.now(queries.HANOI).date()


def _day(request: HttpRequest) -> date:
    """The day that is asked for (`?day=`, also as people write it), else today."""
    form = DayForm({"day": request.GET.get("day", "") or request.POST.get("day", "")})
    return form.cleaned_data["day"] if form.is_valid() else _today()


def _exam(request: HttpRequest, exam_id: int) -> Exam:
    found = Exam.objects.filter(pk=exam_id, facility=asker(request).facility).first()
    if found is None:
        raise Http404
    return found


def _room(request: HttpRequest, room_id: int, *, all_: bool = False) -> Room:
    found = queries.rooms(asker(request).facility, all_=all_).filter(pk=room_id).first()
    if found is None:
        raise Http404
    return found


@desk("imaging")
@require_GET
@never_cache
def room_day(request: HttpRequest, room_id: int) -> HttpResponse:
    """A room's day (`?day=`): who comes when, what is free, when it is closed."""
    return _day_page(request, _room(request, room_id), CloseForm())


def _day_page(request: HttpRequest, room: Room, form: CloseForm, status: int = 200) -> HttpResponse:
    me, day = asker(request), _day(request)
    context = {
        "room": room, "rooms": queries.rooms(me.facility), "day": day, "slots": queries.day_of(me, room, day),
        "before": day - timedelta(days=1), "after": day + timedelta(days=1), "today": _today(), "form": form,
        "facility": me.facility, "days": DayForm(initial={"day": day.strftime("%d/%m/%Y")}),
    }  # fmt: skip
    return render(request, "imaging/room_day.html", context, status=status)


@desk("imaging")
@require_POST
def close(request: HttpRequest, room_id: int) -> HttpResponse:
    """Keep a room free for a while."""
    room, day, form = _room(request, room_id), _day(request), CloseForm(request.POST)
    if form.is_valid():
        told = form.cleaned_data
        at = datetime.combine(day, told["at"], queries.HANOI)
        try:
            actions.close(asker(request), room.pk, at, told["minutes"], told["note"])
        except ImagingError as error:
            form.add_error("at", str(error))
        else:
            messages.success(request, _("Đã chặn giờ này."))
            return redirect(_address(room, day))
    return _day_page(request, room, form, 422)


@desk("imaging")
@require_POST
def reopen(request: HttpRequest, room_id: int, booking_id: int) -> HttpResponse:
    """Let a time be booked again."""
    room = _room(request, room_id)
    found = Booking.objects.filter(pk=booking_id, room=room).first()
    try:
        actions.reopen(asker(request), booking_id)
    except ImagingError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Đã mở lại giờ này."))
    return redirect(_address(room, found.starts.astimezone(queries.HANOI).date() if found else _today()))


def _address(room: Room, day: date) -> str:
    return f"{reverse('imaging:room-day', args=[room.pk])}?day={day.isoformat()}"


@desk("imaging")
@require_http_methods(["GET", "POST"])
@never_cache
def book(request: HttpRequest, exam_id: int) -> HttpResponse:
    """The free times of an examination on a day (`?day=`) in the rooms that fit. POST takes one, `room` and `at`."""
    exam = _exam(request, exam_id)
    if request.method != "POST":
        return _times(request, exam)
    try:
        at = datetime.fromisoformat(request.POST.get("at", ""))
        room = int(request.POST.get("room", ""))
    except ValueError:
        return _times(request, exam, error=_("Chọn một giờ trong danh sách."))
    if at.tzinfo is None or not 0 < room < 2**31:
        return _times(request, exam, error=_("Chọn một giờ trong danh sách."))
    return _changed(request, exam, lambda: actions.book(asker(request), exam.pk, room, at), _("Đã đặt lịch."))


def _changed(request: HttpRequest, exam: Exam, do: Callable[[], Any], said: str) -> HttpResponse:
    try:
        do()
    except ImagingError as error:
        return _times(request, exam, error=str(error))
    messages.success(request, said)
    return redirect("imaging:book", exam.pk)


def _times(request: HttpRequest, exam: Exam, *, error: str = "") -> HttpResponse:
    me, day = asker(request), _day(request)
    protocol = queries.protocol_of(exam)
    fitting = queries.rooms_for(exam, protocol)
    ids = [room.pk for room in fitting]
    busy = queries.taken(ids, day)
    booked = queries.load(ids, day, AHEAD)
    days = [day + timedelta(days=n) for n in range(AHEAD)]
    context = {
        "exam": exam, "banner": banner(me, exam.patient), "protocol": protocol, "day": day, "error": error,
        "protocols": in_force(me.facility).protocols(exam.modality), "booking": queries.booking_of(exam),
        "rooms": [
            (room, queries.free(room, day, protocol.minutes if protocol else room.slot, busy[room.pk], exam))
            for room in fitting
        ],
        "before": day - timedelta(days=1), "after": day + timedelta(days=1), "today": _today(),
        "week": [(one, sum(booked.get((id_, one), 0) for id_ in ids)) for one in days],
        "open": exam.stage in actions.OPEN, "sheets": in_force(me.facility).sheets(protocol) if protocol else [],
    }  # fmt: skip
    return render(request, "imaging/book.html", context, status=422 if error else 200)


@desk("imaging")
@require_POST
def cancel_booking(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Take the time of an examination back."""
    exam, why = _exam(request, exam_id), request.POST.get("why", "")[:300]
    return _changed(request, exam, lambda: actions.cancel(asker(request), exam.pk, why), _("Đã hủy lịch hẹn."))


@desk("imaging")
@require_POST
def choose(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Say how the examination is done."""
    exam, protocol = _exam(request, exam_id), request.POST.get("protocol", "")[:40]
    return _changed(request, exam, lambda: actions.choose(asker(request), exam.pk, protocol), _("Đã ghi quy trình."))


@desk("imaging")
@require_GET
def preparation(request: HttpRequest, exam_id: int) -> HttpResponse:
    """The sheet that the person takes home, as PDF."""
    exam = _exam(request, exam_id)
    return respond_pdf(request, sheet(asker(request), exam), f"phieu-hen-{exam.accession_number}")


@desk("admin", at="facility")
@require_GET
def room_list(request: HttpRequest) -> HttpResponse:
    """The rooms of the facility."""
    rows = queries.rooms(asker(request).facility, all_=True).prefetch_related("machines__device")
    return render(request, "imaging/rooms.html", {"page": paginate(request, rows)})


@desk("admin", at="facility")
@require_http_methods(["GET", "POST"])
def new_room(request: HttpRequest) -> HttpResponse:
    """Open a room."""
    return _room_page(request, None)


@desk("admin", at="facility")
@require_http_methods(["GET", "POST"])
def room(request: HttpRequest, room_id: int) -> HttpResponse:
    """Change a room."""
    return _room_page(request, _room(request, room_id, all_=True))


def _room_page(request: HttpRequest, row: Room | None) -> HttpResponse:
    me = asker(request)
    form = RoomForm(me.facility, request.POST or None, initial=initial(row))
    if request.method == "POST" and form.is_valid():
        try:
            actions.save_room(me, row.pk if row else None, form.draft())
        except ImagingError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, _("Đã ghi."))
            return redirect("imaging:rooms")
    return render(request, "imaging/room.html", {"form": form, "row": row}, status=422 if form.errors else 200)
