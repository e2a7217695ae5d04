"""Django application of the messages module."""

from __future__ import annotations

from django.apps import AppConfig


class MessagesConfig(AppConfig):
    """Named apart from Django's own `messages`."""

    name = "tuetinh.commons.messages"
    label = "tuetinh_messages"
