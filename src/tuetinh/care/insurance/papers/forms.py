"""The form of a paper: its questions as the description of the table has them, in the words of the desk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tuetinh.care.insurance.papers.catalogue import OF_PREGNANCY, Paper, described
from tuetinh.care.insurance.tables import in_force
from tuetinh.commons.catalogues.api import codes

DAY, MOMENT = "%d/%m/%Y", "%H:%M %d/%m/%Y"
LONG = 255  # characters beyond which a line of its own is wanted
TODAY = "9999-12-31"  # the newest step of a length or list
WIDE = ("lines", "facility", "codes")
NOTHING = [("", "—")]


class PaperForm(forms.Form):
    """One field a question; what it must hold is asked of the action, so that it is said in one place."""

    def __init__(
        self, paper: Paper, *args: Any, facilities: Mapping[str, str] | None = None, male: bool = False, **kwargs: Any
    ) -> None:
        """Build the fields. facilities: names by code, for questions about one. male: nothing is asked of pregnancy."""
        super().__init__(*args, **kwargs)
        self.paper, self.facilities = paper, dict(facilities or {})
        for name, label in paper.asked.items():
            if not (male and name in OF_PREGNANCY):
                self.fields[name] = self._field(name, label)

    def _field(self, name: str, label: Any) -> forms.Field:
        kind, one = self.paper.kind(name), described(self.paper.table)[name]
        told = {"required": _("Bắt buộc có giá trị.")}  # in the words of the action
        shown: dict[str, Any] = {"label": label, "required": one.required and kind != "flag", "error_messages": told}
        if kind in ("code", "codes"):
            known = list(codes(in_force(one.codes, TODAY)).items())
            if kind == "codes":
                return forms.MultipleChoiceField(choices=known, widget=forms.CheckboxSelectMultiple, **shown)
            return forms.ChoiceField(choices=NOTHING + known, **shown)
        if kind == "facility":
            known = sorted(self.facilities.items(), key=lambda one: one[1])
            named = [(code, f"{words} ({code})") for code, words in known]
            return forms.ChoiceField(choices=NOTHING + named, **shown)
        if kind == "flag":
            return forms.BooleanField(**shown)
        if kind == "date":
            return forms.CharField(max_length=10, help_text=gettext_lazy("dd/mm/yyyy"), widget=_line({}), **shown)
        if kind == "moment":
            help_ = gettext_lazy("giờ:phút dd/mm/yyyy")
            return forms.CharField(max_length=16, help_text=help_, widget=_line({}), **shown)
        if kind == "number":
            return forms.CharField(max_length=10, widget=_line({"inputmode": "decimal"}), **shown)
        if kind == "lines":
            return forms.CharField(max_length=4000, widget=forms.Textarea(attrs={"rows": 2}), **shown)
        return forms.CharField(max_length=in_force(one.length, TODAY) or 1024, widget=_line({}), **shown)

    def wide(self) -> list[forms.BoundField]:
        """Questions that are answered in sentences, or by a long name."""
        return [self[name] for name in self.fields if self._is_wide(name)]

    def narrow(self) -> list[forms.BoundField]:
        """The others, several of which stand side by side."""
        return [self[name] for name in self.fields if not self._is_wide(name)]

    def _is_wide(self, name: str) -> bool:
        return self.paper.kind(name) in WIDE or (getattr(self.fields[name], "max_length", None) or 0) > LONG

    def clean(self) -> dict[str, Any]:
        """Every answer as the table writes it."""
        told = super().clean() or {}
        return {name: self._told(name, told.get(name)) for name in self.paper.asked if name not in self.errors}

    def _told(self, name: str, value: Any) -> str:
        kind = self.paper.kind(name)
        if kind == "codes":
            return ";".join(value or [])
        if kind == "flag":
            return "1" if value else "0"
        text = str(value or "").strip()
        if text and kind in ("date", "moment"):
            try:
                at = datetime.strptime(text, DAY if kind == "date" else MOMENT)  # noqa: DTZ007 - of the wall clock
            except ValueError:
                self.add_error(name, _("Nhập dd/mm/yyyy.") if kind == "date" else _("Nhập giờ:phút dd/mm/yyyy."))
                return ""
            return at.strftime("%Y%m%d" if kind == "date" else "%Y%m%d%H%M")
        return text.replace(",", ".") if kind == "number" else text

    def refuse(self, wrong: Mapping[str, str]) -> None:
        """Say what is wrong beside each field."""
        for name, words in wrong.items():
            self.add_error(name if name in self.fields else None, words)


def _line(attrs: Mapping[str, Any]) -> forms.TextInput:
    return forms.TextInput(attrs={"autocomplete": "off", **attrs})


def initial(paper: Paper, answers: Mapping[str, str]) -> dict[str, Any]:
    """Answers of the table as the form shows them."""
    return {name: shown(paper, name, value) for name, value in answers.items() if name in paper.asked and value}


def shown(paper: Paper, name: str, value: str) -> Any:
    """An answer as the form takes it."""
    kind = paper.kind(name)
    if kind == "codes":
        return value.split(";")
    if kind == "flag":
        return value == "1"
    return as_written(value) if kind in ("date", "moment") else value


def as_written(value: str) -> str:
    """yyyymmdd or yyyymmddHHMM as people write it; anything else as it is."""
    if not re.fullmatch(r"\d{8}(\d{4})?", value):
        return value
    day = f"{value[6:8]}/{value[4:6]}/{value[:4]}"
    return f"{value[8:10]}:{value[10:]} {day}" if len(value) == 12 else day


def in_words(paper: Paper, name: str, value: str, facilities: Mapping[str, str]) -> str:
    """An answer as the print shows it."""
    kind, one = paper.kind(name), described(paper.table)[name]
    if kind in ("code", "codes"):
        known = codes(in_force(one.codes, TODAY))
        return "; ".join(known.get(part, part) for part in value.split(";"))
    if kind == "flag":
        return _("Có") if value == "1" else _("Không")
    if kind == "facility":
        return facilities.get(value, value)
    return as_written(value)
