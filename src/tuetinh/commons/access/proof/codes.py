"""One-time codes of an app on the telephone (TOTP, RFC 6238), and recovery codes for when it is lost."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

import pyotp
from django.utils.crypto import constant_time_compare

from tuetinh.commons.access.models import Account, RecoveryCode, Totp
from tuetinh.commons.access.oauth.words import digest
from tuetinh.record import seals

if TYPE_CHECKING:
    from collections.abc import Iterator

PURPOSE = "one-time codes"
STEP = 30  # seconds
CODES = 10
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else on paper


def new_secret() -> str:
    """A secret of 160 bits in base32 (RFC 4226, 4, R6)."""
    return pyotp.random_base32()


def address(account: Account, secret: str) -> str:
    """The `otpauth:` address that an app reads from a QR code."""
    return str(pyotp.TOTP(secret).provisioning_uri(name=account.username, issuer_name="Tuệ Tĩnh"))


def keep(account: Account, secret: str, code: str) -> bool:
    """Keep a secret if the code is right, which then is used up; False when it is not."""
    step = _step_of(secret, code, -1)
    if step is None:
        return False
    sealed = seals.seal(PURPOSE, secret.encode())
    Totp.objects.update_or_create(account=account, defaults={"secret": sealed, "last_step": step})
    return True


def use(account: Account, code: str) -> bool:
    """Take a code; False when it is wrong, or was used before."""
    totp = Totp.objects.filter(account=account).first()
    secret = seals.unseal(PURPOSE, totp.secret) if totp else None
    step = _step_of(secret.decode(), code, totp.last_step) if totp and secret else None
    if step is None:
        return False
    # Of two that come with one code at the same time, the second finds it used.
    return bool(Totp.objects.filter(account=account, last_step__lt=step).update(last_step=step))


def _step_of(secret: str, code: str, last: int) -> int | None:
    """The time step after the last used one whose code this is: a telephone's clock may be half a minute off."""
    totp, current = pyotp.TOTP(secret), int(time.time()) // STEP
    digits = "".join(code.split())
    for step in (current - 1, current, current + 1):
        if step > last and constant_time_compare(totp.generate_otp(step), digits):
            return step
    return None


def new_recovery_codes(account: Account) -> list[str]:
    """Ten codes, told this once; those before are worth nothing any more."""
    told = list(_written())
    RecoveryCode.objects.filter(account=account).delete()
    RecoveryCode.objects.bulk_create([RecoveryCode(account=account, digest=_digest(code)) for code in told])
    return told


def use_recovery_code(account: Account, code: str) -> bool:
    """Take a recovery code, which is then gone; False when it is none."""
    return bool(RecoveryCode.objects.filter(account=account, digest=_digest(code)).delete()[0])


def _written() -> Iterator[str]:
    for _number in range(CODES):
        yield "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))


def _digest(code: str) -> bytes:
    """Sixteen random letters are 79 bits: a plain digest is as hard to turn back as they are to guess."""
    return digest("".join(sign for sign in code.lower() if sign in ALPHABET))
