"""The pages of all modules."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import include, path

from tuetinh.node.backup.pages import backups
from tuetinh.node.modules import MODULES

with_pages = [m for m in MODULES if m != "tuetinh.node" and find_spec(m) and find_spec(f"{m}.urls")]
urlpatterns = [
    *(path("", include(f"{m}.urls")) for m in with_pages),
    path("backups", backups, name="backups"),
]
handler400 = "tuetinh.commons.access.pages.bad_request"
handler403 = "tuetinh.commons.access.pages.forbidden"
handler404 = "tuetinh.commons.access.pages.not_found"
handler500 = "tuetinh.commons.access.pages.server_error"
