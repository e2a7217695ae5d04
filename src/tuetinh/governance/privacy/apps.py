"""Django application of the duties of data protection."""

from __future__ import annotations

from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    """Named `privacy`."""

    name = "tuetinh.governance.privacy"
    label = "privacy"

    def ready(self) -> None:
        """Let what people asked for follow merges."""
        from tuetinh.record.api import Follower, register_follower

        for table in ("privacy_subjectrequest", "privacy_breachperson", "privacy_consentgiven", "privacy_personexport"):
            register_follower(Follower(table))
