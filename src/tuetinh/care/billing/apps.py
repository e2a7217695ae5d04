"""Django application of the billing module."""

from __future__ import annotations

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """Named `billing`."""

    name = "tuetinh.care.billing"
    label = "billing"

    def ready(self) -> None:
        """Let bills follow people who are merged, and what is known of their insurance."""
        from tuetinh.care.billing.actions import insurance_changed
        from tuetinh.care.insurance.api import register_insurance_follower
        from tuetinh.record.api import Follower, register_follower

        register_follower(Follower("billing_bill", by=("encounter", "Encounter")))
        register_insurance_follower(insurance_changed)
