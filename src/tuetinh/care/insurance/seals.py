"""Secrets at rest: encrypted with a key that only this node has."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from cryptography.fernet import Fernet
from django.conf import settings


def seal(text: str) -> bytes:
    """Encrypt."""
    return _fernet(settings.DATA).encrypt(text.encode())


def unseal(sealed: bytes | memoryview[int]) -> str:
    """Decrypt. Raises cryptography.fernet.InvalidToken when it was sealed with another key."""
    return _fernet(settings.DATA).decrypt(bytes(sealed)).decode()


@cache
def _fernet(data: Path) -> Fernet:
    """The key of the data folder, made once with owner-only permissions."""
    path = data / "keys" / "secrets.key"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return Fernet(path.read_bytes())
    with os.fdopen(handle, "wb") as file:
        file.write(Fernet.generate_key())
    return Fernet(path.read_bytes())
