"""Addresses of the pages of subscriptions."""

from __future__ import annotations

from django.urls import path, re_path

from tuetinh.commons.messages import pages

app_name = "messages"
urlpatterns = [
    path("subscriptions", pages.subscriptions, name="subscriptions"),
    path("subscriptions/topics", pages.topics, name="topics"),
    re_path(
        r"^subscriptions/(?P<subscription_id>[A-Za-z0-9.\-]{1,64})/(?P<verb>retry|pause|resume|drop|set-back)$",
        pages.change,
        name="change-subscription",
    ),
]
