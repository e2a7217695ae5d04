"""Django application of the identity module."""

from __future__ import annotations

from django.apps import AppConfig


class IdentityConfig(AppConfig):
    """Person search and the people behind the numbers."""

    name = "tuetinh.commons.identity"
    label = "identity"
