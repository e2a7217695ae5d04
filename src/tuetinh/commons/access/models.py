"""Accounts of people and of connected systems.

Who a person is professionally is a fact (Practitioner, PractitionerRole) that the account names.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models


class AccountManager(BaseUserManager["Account"]):
    """Makes accounts and finds them by user name."""

    def create_account(self, username: str, password: str, **fields: str) -> Account:
        """Make an account with a hashed password."""
        account = self.model(username=username, **fields)
        account.set_password(password)
        account.save(using=self._db)
        return account


class Account(AbstractBaseUser):
    """A person who logs in. `role` is the desk; `facility` the Organization id; one of the last two is usually set."""

    username = models.CharField(max_length=100, unique=True)
    full_name = models.CharField(max_length=200)
    role = models.CharField(max_length=30)
    facility = models.CharField(max_length=64, blank=True)
    room = models.CharField(max_length=64, blank=True)
    practitioner = models.CharField(max_length=64, blank=True)
    patient = models.CharField(max_length=64, blank=True)
    language = models.CharField(max_length=5, default="vi")
    is_active = models.BooleanField(default=True)
    must_change_password = models.BooleanField(default=False)

    objects: ClassVar[AccountManager] = AccountManager()

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["full_name", "role"]

    class Meta:
        indexes: ClassVar = [models.Index(fields=["facility", "role"])]

    def __str__(self) -> str:
        return self.full_name or self.username


class AccountEvent(models.Model):
    """What an administrator did to an account: `created`, `disabled`, `enabled`, `password_reset`, `unlocked`."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="events")
    by = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    what = models.CharField(max_length=30)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["account", "-at"])]


class Client(models.Model):
    """A connected system that gets tokens by client credentials. `scopes`: the SMART v2 scopes that it may ask for."""

    id = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=200)
    secret_digest = models.BinaryField(max_length=32)
    scopes = models.TextField(default="system/*.cruds")
    facility = models.CharField(max_length=64, blank=True)
    is_active = models.BooleanField(default=True)


class Token(models.Model):
    """An access token, known only by the SHA-256 of its random value."""

    digest = models.BinaryField(max_length=32, primary_key=True)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="tokens")
    scopes = models.TextField()
    expires = models.DateTimeField(db_index=True)
