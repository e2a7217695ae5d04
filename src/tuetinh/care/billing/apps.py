"""Django application of the billing module."""

from __future__ import annotations

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """Named `billing`."""

    name = "tuetinh.care.billing"
    label = "billing"
