"""What other modules may call: menu entries, pages of a long list, fields of forms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from django import forms
from django.apps import apps
from django.core.paginator import Page, Paginator
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext

from tuetinh.commons.ui.charts import Bar, bars  # noqa: F401  (offered to the modules)
from tuetinh.commons.ui.sheets import SHEET, workbook  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.functional import _StrPromise

Place = Literal["", "province", "facility"]
PER_PAGE = 25
PRINT_FONTS = Path(__file__).parent / "static" / "vendor" / "print-fonts"
"""Folder of the TTF fonts of print forms, built from npm by `tools/assets/build.py`."""


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One entry of the rail, or of the bottom bar for citizens.

    roles: who sees it. url: name of a URL without arguments. icon: name in Tabler's set. label: lazy Vietnamese text.
    order: place in the rail; the first entry of a role is where `/` leads. badge: how many wait, asked on each page.
    rare: it stands in the menu of the account instead, because it is set once and seldom looked at.
    at: `province` for accounts that name no facility, `facility` for those that do, "" for both.
    """

    roles: tuple[str, ...]
    url: str
    icon: str
    label: _StrPromise | str
    order: int = 50
    badge: Callable[[HttpRequest], int] | None = None
    rare: bool = False
    at: Place = ""


@cache
def menu_items() -> tuple[MenuItem, ...]:
    """Every entry that the modules' `hooks.MENU` name, in order."""
    items: list[MenuItem] = []
    for app in apps.get_app_configs():
        if app.name.startswith("tuetinh.") and find_spec(f"{app.name}.hooks"):
            items.extend(getattr(import_module(f"{app.name}.hooks"), "MENU", ()))
    return tuple(sorted(items, key=lambda item: item.order))


def is_at(place: Place, facility: str) -> bool:
    """Whether what is for a place is for an account of the facility, "" for one of the province."""
    return not place or (place == "facility") == bool(facility)


def menu(role: str, facility: str, *, rare: bool = False) -> list[tuple[MenuItem, str]]:
    """Entries of a role at a facility, "" for the province, with their addresses: those of the rail, or the rare."""
    mine = (item for item in menu_items() if role in item.roles and item.rare == rare and is_at(item.at, facility))
    return [(item, url) for item in mine if (url := _address(item.url))]


def home_url(role: str, facility: str) -> str:
    """Where a role starts working, or "" when no page is its own."""
    entries = menu(role, facility)
    return entries[0][1] if entries else ""


class DayField(forms.DateField):
    """A date as people type it, dd/mm/yyyy; what else is understood stands in `formats`."""

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """Digits come first on a phone."""
        return super().widget_attrs(widget) | {"inputmode": "numeric", "placeholder": "dd/mm/yyyy"}


class DongField(forms.CharField):
    """An amount as people type it: `500.000`, `500 000 ₫`; None for nothing."""

    widget = forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"})

    def clean(self, value: object) -> int | None:
        """Read the digits."""
        typed = "".join(c for c in str(super().clean(value)) if c not in ".,₫đ \u00a0")
        if not typed:
            return None
        if not (typed.isascii() and typed.isdigit()) or len(typed) > 13:
            raise forms.ValidationError(gettext("Ghi số tiền bằng chữ số, ví dụ 500.000."))
        return int(typed)


def paginate(request: HttpRequest, rows: QuerySet[Any] | Sequence[Any], per_page: int = PER_PAGE) -> Page[Any]:
    """Cut the page that `?page=` asks for; a page that is not there becomes the nearest one."""
    return Paginator(rows, per_page).get_page(request.GET.get("page"))


def _address(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
