"""Django application of the ward module."""

from __future__ import annotations

from django.apps import AppConfig


class WardConfig(AppConfig):
    """Named `ward`."""

    name = "tuetinh.care.ward"
    label = "ward"
