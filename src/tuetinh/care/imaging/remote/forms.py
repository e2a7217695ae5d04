"""What is asked about pictures, of whom, and until when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tuetinh.care.imaging.remote.opinions import Question, answerers, places
from tuetinh.record.asker import Asker


class QuestionForm(forms.Form):
    """A question about studies. Of whom: a facility, or somebody there."""

    text = forms.CharField(
        label=_("Câu hỏi"), max_length=2000, widget=forms.Textarea(attrs={"rows": 4, "maxlength": 2000})
    )
    to = forms.ChoiceField(label=_("Hỏi ai"))
    due = forms.DateTimeField(
        label=_("Trả lời trước"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    urgent = forms.BooleanField(label=_("Khẩn"), required=False)

    def __init__(self, asker: Asker, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {"due": timezone.localtime() + timedelta(hours=4)})
        super().__init__(*args, **kwargs)
        names = dict(places(asker))
        people: dict[str, list[tuple[str, str]]] = {}
        for one in answerers(asker).exclude(practitioner=""):
            people.setdefault(one.facility, []).append((f"{one.facility}/{one.pk}", one.full_name))
        self.fields["to"].choices = [  # type: ignore[attr-defined]
            ("", "—"),
            *((name, [(f"{id_}/", _("Mọi người đọc ở đây")), *people.get(id_, [])]) for id_, name in names.items()),
        ]

    def question(self) -> Question:
        """What was filled in."""
        told = self.cleaned_data
        facility, _slash, account = told["to"].partition("/")
        return Question(told["text"], facility, account, told["due"], told["urgent"])
