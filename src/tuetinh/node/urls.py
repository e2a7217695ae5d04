"""The pages of all modules."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import include, path

from tuetinh.node.modules import MODULES

urlpatterns = [path("", include(f"{name}.urls")) for name in MODULES if find_spec(name) and find_spec(f"{name}.urls")]
