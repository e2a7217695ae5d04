"""Secrets at rest: encrypted with a key that only this node has, another one for each purpose."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings


def seal(purpose: str, content: bytes) -> bytes:
    """The content as it is kept."""
    return _box(purpose).encrypt(content)


def unseal(purpose: str, sealed: bytes | memoryview[int]) -> bytes | None:
    """The content again; None where it was sealed for another purpose, or by another node's key."""
    try:
        return _box(purpose).decrypt(bytes(sealed))
    except InvalidToken:
        return None


def _box(purpose: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"{purpose} {settings.SECRET_KEY}".encode()).digest()))
