"""Django application of the ui module."""

from __future__ import annotations

from django.apps import AppConfig


class UiConfig(AppConfig):
    """Named `ui`: its templates are `ui/…`, its template tags `{% load ui %}`."""

    name = "tuetinh.commons.ui"
    label = "ui"
