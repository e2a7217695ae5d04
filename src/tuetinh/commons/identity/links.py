"""Where a person opens for a role: modules say so in their `hooks.PEOPLE`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from django.apps import apps
from django.urls import NoReverseMatch, reverse

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


@dataclass(frozen=True, slots=True)
class PersonLink:
    """A page about one person. roles: whose. url: name of a URL whose one argument is the Patient's id.

    order: the lowest of a role is where its search results lead, of those that `leads`.
    """

    roles: tuple[str, ...]
    url: str
    icon: str
    label: _StrPromise | str
    order: int = 50
    leads: bool = True


@cache
def _links() -> tuple[PersonLink, ...]:
    links: list[PersonLink] = []
    for app in apps.get_app_configs():
        if app.name.startswith("tuetinh.") and find_spec(f"{app.name}.hooks"):
            links.extend(getattr(import_module(f"{app.name}.hooks"), "PEOPLE", ()))
    return tuple(sorted(links, key=lambda link: link.order))


def links(role: str, patient_id: str) -> list[tuple[PersonLink, str]]:
    """The pages of a role about this person, with their addresses."""
    out = []
    for link in _links():
        if role in link.roles:
            try:
                out.append((link, reverse(link.url, args=[patient_id])))
            except NoReverseMatch:
                continue
    return out


def first(role: str, patient_id: str) -> str:
    """Where a search result leads."""
    found = [url for link, url in links(role, patient_id) if link.leads]
    return found[0] if found else reverse("identity:person", args=[patient_id])
