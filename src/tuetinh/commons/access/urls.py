"""Addresses of the access pages."""

from __future__ import annotations

from django.urls import path, re_path

from tuetinh.commons.access import log_pages, pages, review_pages
from tuetinh.commons.access.api import open_to_all
from tuetinh.commons.access.oauth import authorizing, endpoints, registering, sample
from tuetinh.commons.access.outside import pages as outside
from tuetinh.commons.access.outside import signing_in as outside_doors
from tuetinh.commons.access.proof import pages as proof
from tuetinh.commons.access.proof import policy_pages, signing_in
from tuetinh.commons.access.sight import glass_pages
from tuetinh.commons.access.sight import pages as sight

app_name = "access"
urlpatterns = [
    path("", pages.home, name="home"),
    path("login", signing_in.login, name="login"),
    path("login/second", signing_in.second, name="second"),
    path("login/passkey", signing_in.passkey, name="passkey"),
    path("login/outside/<slug:provider_id>", outside_doors.begin, name="outside"),
    path("login/outside/<slug:provider_id>/again", outside_doors.again, name="outside-again"),
    path("login/outside/<slug:provider_id>/link", outside_doors.link, name="outside-link"),
    path("login/outside/<slug:provider_id>/back", outside_doors.back, name="outside-back"),
    path("logout", signing_in.logout, name="logout"),
    path("language", pages.language, name="language"),
    path("account/password", pages.password, name="password"),
    path("account/security", proof.security, name="security"),
    path("account/security/totp", proof.totp, name="totp"),
    path("account/security/totp/remove", proof.remove_totp, name="remove-totp"),
    path("account/security/codes", proof.recovery_codes, name="recovery-codes"),
    path("account/security/passkeys", proof.new_passkey, name="new-passkey"),
    path("account/security/passkeys/<int:passkey_id>/remove", proof.remove_passkey, name="remove-passkey"),
    path("account/sessions", proof.own_sessions, name="sessions"),
    path("account/sessions/end", proof.end_others, name="end-sessions"),
    path("account/sessions/<slug:handle>/end", proof.end_session, name="end-session"),
    path("accounts", pages.accounts, name="accounts"),
    path("accounts/log", log_pages.log, name="log"),
    path("accounts/new", pages.new_account, name="new-account"),
    path("accounts/review", review_pages.review, name="review"),
    path("accounts/<int:account_id>", pages.account, name="account"),
    re_path(
        r"^accounts/(?P<account_id>\d+)/(?P<verb>disable|enable|unlock|reset-password|reset-factors|keep|release)$",
        pages.change_account,
        name="change-account",
    ),
    path("accounts/<int:account_id>/place", pages.place_account, name="place-account"),
    path("accounts/<int:account_id>/link", outside.unlink, name="unlink-account"),
    path("accounts/providers", outside.all_providers, name="providers"),
    path("accounts/providers/new", outside.provider, name="new-provider"),
    path("accounts/providers/<slug:provider_id>", outside.provider, name="provider"),
    path("accounts/policy", policy_pages.policy, name="policy"),
    path("accounts/rules", sight.all_rules, name="rules"),
    path("accounts/rules/<slug:role>", sight.rule, name="rule"),
    path("accounts/opened", glass_pages.glasses, name="glasses"),
    path("accounts/opened/<int:glass_id>", glass_pages.review, name="review-glass"),
    path("records/<str:patient_id>/open", glass_pages.open_record, name="glass"),
    path("accounts/why", sight.why, name="why"),
    path("accounts/apps", registering.apps, name="apps"),
    path("accounts/apps/new", registering.new_app, name="new-app"),
    path("accounts/apps/<slug:client_id>", registering.app, name="app"),
    path("accounts/apps/<slug:client_id>/<str:verb>", registering.change_app, name="change-app"),
    path("oauth/authorize", authorizing.authorize, name="authorize"),
    path("apps/launch/<slug:client_id>", authorizing.launch, name="launch-app"),
    path("apps/sample/launch", open_to_all(sample.launch), name="sample-launch"),
    path("apps/sample/", open_to_all(sample.app), name="sample"),
    path("oauth/token", endpoints.token, name="token"),
    path("oauth/revoke", endpoints.revoke, name="revoke"),
    path("oauth/introspect", endpoints.introspect, name="introspect"),
    path("oauth/jwks", endpoints.jwks, name="jwks"),
    path(".well-known/smart-configuration", endpoints.smart_configuration, name="smart-configuration"),
    path(".well-known/openid-configuration", endpoints.openid_configuration, name="openid-configuration"),
]
