"""Secrets that were sealed with a key of their own are kept when they are sealed as all others."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.apps import apps

from tuetinh.care.billing.actions import secret_of
from tuetinh.care.billing.errors import BadSignature
from tuetinh.care.billing.models import BankAccount
from tuetinh.care.insurance.actions import connection
from tuetinh.care.insurance.errors import GatewayRefused
from tuetinh.care.insurance.models import GatewayAccount

MIGRATION = import_module("tuetinh.care.billing.migrations.0003_post_one_seal")


@pytest.mark.django_db
def test_secrets_of_before_are_kept(tmp_path: Path, settings: pytest.FixtureRequest) -> None:
    settings.DATA = tmp_path  # type: ignore[attr-defined]
    file = tmp_path / "keys" / "secrets.key"
    file.parent.mkdir()
    file.write_bytes(Fernet.generate_key())
    old = Fernet(file.read_bytes())
    bank = BankAccount.objects.create(facility="1", bin="970436", number="9", holder="A", secret=old.encrypt(b"word"))
    here = GatewayAccount.objects.create(facility="1", username="u", secret=old.encrypt(b"A" * 32))
    with pytest.raises(BadSignature):
        secret_of(bank)
    with pytest.raises(GatewayRefused):
        connection(here)
    for _ in range(2):  # a second run finds nothing to do
        MIGRATION.seal_anew(apps, None)
        bank.refresh_from_db()
        here.refresh_from_db()
        assert (secret_of(bank), connection(here).credentials.password_md5, here.key) == ("word", "A" * 32, None)
