"""`{% load ui %}`: how dates, money and ages are written, icons, form fields, addresses of page assets."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import template
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext

if TYPE_CHECKING:
    from django.forms import BoundField
    from django.http import HttpRequest

register = template.Library()
HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
NO_BREAK = "\u00a0"
_MEASURED = re.compile(r"([<>]?=?)(.*)", re.DOTALL)


@register.filter
def money(value: object) -> str:
    """Write an amount in đồng: `1.234.567 ₫`; nothing for nothing."""
    if value is None or value == "":
        return ""
    try:
        dong = Decimal(str(value)).quantize(Decimal(1), ROUND_HALF_UP)
    except InvalidOperation:
        return ""
    return f"{dong:,}".replace(",", ".") + NO_BREAK + "₫"


@register.filter
def vn_date(value: object) -> str:
    """Write a date as dd/mm/yyyy: from a date, a datetime, or a FHIR date, which may be only a year or a month."""
    if isinstance(value, str):
        if len(value) <= 7:  # 1972 or 1972-03: FHIR says no more than is known
            return "/".join(reversed(value.split("-")))
        value = _parsed(value)
    if isinstance(value, datetime):
        value = _local(value)
    return value.strftime("%d/%m/%Y") if isinstance(value, date) else ""


@register.filter
def vn_time(value: object) -> str:
    """Write a moment as HH:MM, with the date in front when it is not today's."""
    moment = _parsed(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        return vn_date(moment)
    local = _local(moment)
    same_day = local.date() == datetime.now(HANOI).date()
    return local.strftime("%H:%M" if same_day else "%H:%M %d/%m/%Y")


@register.filter
def age(born: object, on: object = None) -> str:
    """Write an age as the desk says it: days under a month, months under three years, then years."""
    birth = _day(born)
    today = _day(on) or datetime.now(HANOI).date()
    if birth is None:
        return gettext("%d tuổi") % (today.year - int(born[:4])) if isinstance(born, str) and born[:4].isdigit() else ""
    days = (today - birth).days
    months = (today.year - birth.year) * 12 + today.month - birth.month - (today.day < birth.day)
    if days < 0:
        return ""
    if months < 1:
        return ngettext("%d ngày tuổi", "%d ngày tuổi", days) % days
    if months < 36:
        return ngettext("%d tháng tuổi", "%d tháng tuổi", months) % months
    return gettext("%d tuổi") % (months // 12)


@register.filter
def number(value: object) -> str:
    """Write a number with a decimal comma and dots, keeping the digits that it was measured with: 72.50 → 72,50.

    A comparator before it stays: <0.5 → <0,5. What is no number stays as it is.
    """
    if value is None or value == "":
        return ""
    comparator, digits = _MEASURED.match(str(value)).groups()  # type: ignore[union-attr]
    try:
        whole, _, rest = f"{Decimal(digits):,f}".partition(".")
    except (InvalidOperation, ValueError):
        return str(localize(value))
    return comparator + whole.replace(",", ".") + (f",{rest}" if rest else "")


@register.filter
def initials(name: str) -> str:
    """First letters of the middle-or-family and the given name: Lò Thị Pâng → LP."""
    words = str(name or "").split()
    return (words[0][:1] + words[-1][:1] if len(words) > 1 else "".join(words)[:1]).upper()


@register.filter
def icon(name: str, size: int = 0) -> SafeString:
    """Draw an icon of Tabler's outline set; it is decoration, the word beside it carries the meaning.

    Raises KeyError for a name that the set does not have.
    """
    measure = format_html(' width="{0}" height="{0}"', size) if size else ""
    return mark_safe(  # noqa: S308 - the shapes are from the icon set, the size is an integer
        f'<svg class="icon"{measure} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" '
        f'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">{_icons()[name]}</svg>'
    )


@register.simple_tag
def asset(path: str) -> str:
    """Address of a static file with the digest of its content, so that browsers may keep it."""
    return f"{static(path)}?v={_digest(path)}"


@register.simple_tag(takes_context=True)
def page_url(context: dict[str, Any], number: int) -> str:
    """Address of another page of the same list: everything else of the query stays."""
    request: HttpRequest = context["request"]
    query = request.GET.copy()
    query["page"] = str(number)
    return f"?{query.urlencode()}"


@register.inclusion_tag("ui/field.html")
def field(bound: BoundField, **extra: str) -> dict[str, Any]:
    """Draw a form field: label, control, help, and the mistake beside it, tied together for screen readers.

    extra: attributes of the control; `_` in their names stands for `-` (`data_combobox="/codes"`), `class_` for
    `class`. `unit="mmHg"` writes the unit behind the control, `icon="search"` an icon before it, `size="lg"` is large.
    """
    unit, sign, size = extra.pop("unit", ""), extra.pop("icon", ""), extra.pop("size", "")
    kind = getattr(bound.field.widget, "input_type", bound.field.widget.__class__.__name__.lower())
    style = {"checkbox": "form-check-input", "select": "form-select", "radio": "form-check-input"}.get(
        kind, "form-control"
    )
    if size:
        style = f"{style} {style}-{size}"
    described = [f"{bound.id_for_label}-error"] if bound.errors else []
    described += [f"{bound.id_for_label}-help"] if bound.help_text else []
    attrs: dict[str, str | bool] = {name.removesuffix("_").replace("_", "-"): value for name, value in extra.items()}
    attrs["class"] = " ".join(filter(None, [style, "is-invalid" if bound.errors else "", extra.get("class_", "")]))
    if described:
        attrs["aria-describedby"] = " ".join(described)
    if bound.errors:
        attrs["aria-invalid"] = "true"
    control = bound.as_widget(attrs=attrs)
    return {"field": bound, "control": control, "kind": kind, "unit": unit, "icon": sign}


@cache
def _icons() -> dict[str, str]:
    found = finders.find("vendor/icons.json")
    if not found:
        message = "page assets are not built: run python tools/assets/build.py"
        raise FileNotFoundError(message)
    shapes: dict[str, str] = json.loads(Path(str(found)).read_text(encoding="utf-8"))
    return shapes


@cache
def _digest(path: str) -> str:
    found = finders.find(path)
    return hashlib.sha256(Path(str(found)).read_bytes()).hexdigest()[:12] if found else "0"


def _parsed(text: str) -> datetime | date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        return None


def _local(moment: datetime) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(HANOI)


def _day(value: object) -> date | None:
    parsed = _parsed(value) if isinstance(value, str) else value
    if isinstance(parsed, datetime):
        return _local(parsed).date()
    return parsed if isinstance(parsed, date) else None
