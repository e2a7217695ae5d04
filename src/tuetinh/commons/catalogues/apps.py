"""Django application of the catalogues module."""

from __future__ import annotations

from django.apps import AppConfig


class CataloguesConfig(AppConfig):
    """Named `catalogues`."""

    name = "tuetinh.commons.catalogues"
    label = "catalogues"

    def ready(self) -> None:
        """Offer the catalogues to the record's terminology service."""
        from .terminology import register

        register()
