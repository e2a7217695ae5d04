"""Django application of the record."""

from __future__ import annotations

from django.apps import AppConfig


class RecordConfig(AppConfig):
    """Keeps what the record knows of itself in step with the resources that say it."""

    name = "tuetinh.record"

    def ready(self) -> None:
        """Attach the projections."""
        from tuetinh.record import projections
        from tuetinh.record.search import additions

        projections.register("SearchParameter", additions.follow)
