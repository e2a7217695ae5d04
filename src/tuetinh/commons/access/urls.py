"""Addresses of the access pages."""

from __future__ import annotations

from django.urls import path, re_path

from tuetinh.commons.access import pages

app_name = "access"
urlpatterns = [
    path("", pages.home, name="home"),
    path("login", pages.login, name="login"),
    path("logout", pages.logout, name="logout"),
    path("language", pages.language, name="language"),
    path("account/password", pages.password, name="password"),
    path("accounts", pages.accounts, name="accounts"),
    path("accounts/new", pages.new_account, name="new-account"),
    path("accounts/<int:account_id>", pages.account, name="account"),
    re_path(
        r"^accounts/(?P<account_id>\d+)/(?P<verb>disable|enable|unlock|reset-password)$",
        pages.change_account,
        name="change-account",
    ),
    path("oauth/token", pages.token, name="token"),
    path("oauth/revoke", pages.revoke, name="revoke"),
    path(".well-known/smart-configuration", pages.smart_configuration, name="smart-configuration"),
]
