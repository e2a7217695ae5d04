"""Django application of the reception module."""

from __future__ import annotations

from django.apps import AppConfig


class ReceptionConfig(AppConfig):
    """Named `reception`."""

    name = "tuetinh.care.reception"
    label = "reception"
