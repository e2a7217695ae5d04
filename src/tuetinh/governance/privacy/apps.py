"""Django application of the duties of data protection."""

from __future__ import annotations

from django.apps import AppConfig

OF_PEOPLE = ("subjectrequest", "breachperson", "consentgiven", "personexport", "legalhold", "destructionitem")
"""Tables that name a Patient."""


class PrivacyConfig(AppConfig):
    """Named `privacy`."""

    name = "tuetinh.governance.privacy"
    label = "privacy"

    def ready(self) -> None:
        """Let what people asked for follow merges, and officers alone what changes in it."""
        from tuetinh.commons.messages.api import register_channel
        from tuetinh.record.api import Follower, register_follower

        for channel in ("requests", "breaches"):
            register_channel(channel, "archivist", "admin")
        for table in OF_PEOPLE:
            register_follower(Follower(f"privacy_{table}"))
