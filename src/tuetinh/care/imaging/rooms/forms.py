"""What people type about rooms and times."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from tuetinh.care.imaging.dimse.peers import ANYONE
from tuetinh.care.imaging.models import Device
from tuetinh.care.imaging.rooms.actions import Draft
from tuetinh.care.imaging.rooms.models import Room
from tuetinh.commons.ui.api import DayField

CHECKBOXES = forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"})
WEEKDAYS = [
    ("1", _("Thứ hai")), ("2", _("Thứ ba")), ("3", _("Thứ tư")), ("4", _("Thứ năm")), ("5", _("Thứ sáu")),
    ("6", _("Thứ bảy")), ("7", _("Chủ nhật")),
]  # fmt: skip


def _clock() -> forms.TimeInput:
    return forms.TimeInput(attrs={"type": "time"}, format="%H:%M")


class RoomForm(forms.Form):
    """What is done in a room, when, and on which machines."""

    name = forms.CharField(label=_("Tên phòng"), max_length=100)
    modalities = forms.CharField(
        label=_("Loại máy"), max_length=100, help_text=_("Mã DICOM cách nhau bằng dấu cách, như CT hoặc DX CR.")
    )
    opens = forms.TimeField(label=_("Mở cửa"), widget=_clock())
    closes = forms.TimeField(label=_("Đóng cửa"), widget=_clock())
    slot = forms.IntegerField(label=_("Khoảng hẹn, phút"), min_value=5, max_value=240)
    days = forms.MultipleChoiceField(label=_("Ngày làm việc"), choices=WEEKDAYS, widget=CHECKBOXES)
    devices = forms.MultipleChoiceField(label=_("Máy trong phòng"), required=False, widget=CHECKBOXES)
    enabled = forms.BooleanField(label=_("Đang dùng"), required=False, initial=True)

    def __init__(self, facility: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = Device.objects.filter(facility=facility).exclude(title=ANYONE).order_by("name")
        self.fields["devices"].choices = [(str(row.pk), f"{row.name} ({row.title})") for row in known]  # type: ignore[attr-defined]

    def clean_modalities(self) -> list[str]:
        """Codes as DICOM writes them."""
        codes = self.cleaned_data["modalities"].upper().replace(",", " ").split()
        if not all(code.isascii() and code.isalnum() and len(code) <= 16 for code in codes):
            raise forms.ValidationError(_("Loại máy viết như CT, MR, DX."))
        return list(dict.fromkeys(codes))

    def clean(self) -> dict[str, Any]:
        """A room closes after it has opened, late enough for one appointment."""
        told = super().clean() or {}
        opens, closes, slot = told.get("opens"), told.get("closes"), told.get("slot")
        if opens and closes and slot:
            minutes = (closes.hour - opens.hour) * 60 + closes.minute - opens.minute
            if minutes < slot:
                self.add_error("closes", _("Phòng phải đóng cửa sau khi mở, cách ít nhất một khoảng hẹn."))
        return told

    def draft(self) -> Draft:
        """The room as it was written."""
        told = self.cleaned_data
        return Draft(
            told["name"], told["modalities"], told["opens"], told["closes"], "".join(sorted(told["days"])),
            told["slot"], [int(pk) for pk in told["devices"]], told["enabled"],
        )  # fmt: skip


def initial(room: Room | None) -> dict[str, Any]:
    """What the form shows of a room, or of a new one."""
    if room is None:
        return {"opens": "07:00", "closes": "16:30", "slot": 15, "days": list("12345"), "enabled": True}
    return {
        "name": room.name, "modalities": " ".join(room.modalities), "opens": room.opens, "closes": room.closes,
        "slot": room.slot, "days": list(room.days), "enabled": room.enabled,
        "devices": [str(pk) for pk in room.machines.values_list("device", flat=True)],
    }  # fmt: skip


class CloseForm(forms.Form):
    """When a room is kept free, and why."""

    at = forms.TimeField(label=_("Từ giờ"), widget=_clock())
    minutes = forms.IntegerField(label=_("Số phút"), min_value=5, max_value=1440, initial=60)
    note = forms.CharField(label=_("Lý do"), max_length=200)


class DayForm(forms.Form):
    """A day that is looked at."""

    day = DayField(label=_("Ngày"))
