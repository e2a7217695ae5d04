"""Django application of the identity module."""

from __future__ import annotations

from django.apps import AppConfig


class IdentityConfig(AppConfig):
    """Keeps the search tables in step with every Patient version that the record stores."""

    name = "tuetinh.commons.identity"
    label = "identity"

    def ready(self) -> None:
        """Attach the projections."""
        from tuetinh.commons.identity import operations, projection
        from tuetinh.record import projections
        from tuetinh.record.operations import registry

        projections.register("Patient", projection.project)
        projections.register("Encounter", projection.project_visits)
        registry.offer(operations.OPERATIONS)
