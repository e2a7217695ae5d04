"""Django application of the access module."""

from __future__ import annotations

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """Named `access`, so that the account model is `access.Account`."""

    name = "tuetinh.commons.access"
    label = "access"
