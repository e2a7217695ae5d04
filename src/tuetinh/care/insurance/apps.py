"""Django application of the insurance module."""

from __future__ import annotations

from django.apps import AppConfig


class InsuranceConfig(AppConfig):
    """Named `insurance`."""

    name = "tuetinh.care.insurance"
    label = "insurance"
