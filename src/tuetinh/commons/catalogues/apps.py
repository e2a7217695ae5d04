"""Django application of the catalogues module."""

from __future__ import annotations

from django.apps import AppConfig


class CataloguesConfig(AppConfig):
    """Named `catalogues`."""

    name = "tuetinh.commons.catalogues"
    label = "catalogues"
