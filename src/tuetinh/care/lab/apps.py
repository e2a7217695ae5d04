"""Django application of the laboratory."""

from __future__ import annotations

from django.apps import AppConfig


class LabConfig(AppConfig):
    """Named `lab`."""

    name = "tuetinh.care.lab"
    label = "lab"
