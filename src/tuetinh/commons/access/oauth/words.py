"""The refusals of RFC 6749, the secrets, and how long things live."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

LIFETIME = timedelta(hours=1)  # access tokens of systems and apps
CODE = timedelta(minutes=1)
LAUNCH = timedelta(minutes=5)
REFRESH = timedelta(days=90)
ONLINE = timedelta(hours=12)  # no longer than a session of the browser


class OAuthError(Exception):
    """A refusal in the words of RFC 6749, 4.1.2.1 and 5.2. `code` is its `error`, `status` the HTTP status.

    wait: seconds after which it may be tried again, 0 where that is of no use.
    """

    def __init__(self, code: str, description: str, status: int = 400, wait: int = 0) -> None:
        super().__init__(description)
        self.code, self.description, self.status, self.wait = code, description, status, wait


def digest(secret: str) -> bytes:
    """SHA-256 of a token, a code or a client's secret."""
    return hashlib.sha256(secret.encode()).digest()


def new_secret() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)
