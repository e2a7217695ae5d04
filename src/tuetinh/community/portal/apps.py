"""Django application of the citizen's pages."""

from __future__ import annotations

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """Named `portal`."""

    name = "tuetinh.community.portal"
    label = "portal"
