"""Accounts of people. Who a person is professionally is a fact (Practitioner, PractitionerRole) that the account names."""

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

    objects: ClassVar[AccountManager] = AccountManager()

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["full_name", "role"]

    class Meta:
        indexes: ClassVar = [models.Index(fields=["facility", "role"])]
