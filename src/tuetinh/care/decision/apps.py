"""Django application of the decision module."""

from __future__ import annotations

from django.apps import AppConfig


class DecisionConfig(AppConfig):
    """Named `decision`."""

    name = "tuetinh.care.decision"
    label = "decision"
