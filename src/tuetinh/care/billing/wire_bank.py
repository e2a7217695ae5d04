"""The bank's webhook: a JSON body and `X-Signature: t=SECONDS,v1=HEX`, HMAC-SHA256 over `SECONDS.BODY`."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from decimal import Decimal

import msgspec

from tuetinh.care.billing.errors import BadSignature, BadTransfer

WINDOW = 300  # seconds that a signature may be old: an older one is a replay
HEADER = "X-Signature"


class Transfer(msgspec.Struct, frozen=True):
    """Money that came to an account. id: the bank's own, never used twice; content: what the payer wrote."""

    id: str
    bin: str
    account: str
    amount: Decimal
    content: str
    time: str = ""


def sign(body: bytes, secret: str, at: float | None = None) -> str:
    """Value of the signature header."""
    seconds = int(time.time() if at is None else at)
    return f"t={seconds},v1={_digest(body, secret, seconds)}"


def verify(body: bytes, header: str, secret: str, at: float | None = None) -> None:
    """Raises BadSignature unless the body was signed with the secret within the last minutes."""
    match = re.fullmatch(r"t=(\d{1,12}),v1=([0-9a-f]{64})", header)
    if match is None or abs((time.time() if at is None else at) - int(match[1])) > WINDOW:
        raise BadSignature
    if not hmac.compare_digest(_digest(body, secret, int(match[1])), match[2]):
        raise BadSignature


def read(body: bytes) -> Transfer:
    """Read the body. Raises BadTransfer when it is not one."""
    try:
        found = msgspec.json.decode(body, type=Transfer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadTransfer from error
    whole = (
        found.amount.is_finite()
        and 0 < found.amount < 10**13
        and found.amount == found.amount.quantize(Decimal("0.01"))
    )
    if (
        not whole
        or not found.id
        or len(found.id) > 100
        or len(found.account) > 30
        or "\x00" in found.content + found.id
    ):
        raise BadTransfer
    return found


def _digest(body: bytes, secret: str, seconds: int) -> str:
    return hmac.new(secret.encode(), str(seconds).encode() + b"." + body, hashlib.sha256).hexdigest()
