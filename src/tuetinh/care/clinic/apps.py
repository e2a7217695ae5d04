"""Django application of the clinic module."""

from __future__ import annotations

from django.apps import AppConfig


class ClinicConfig(AppConfig):
    """Named `clinic`."""

    name = "tuetinh.care.clinic"
    label = "clinic"
