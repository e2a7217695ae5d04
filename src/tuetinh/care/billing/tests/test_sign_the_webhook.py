"""The bank's signature: what is accepted, what is refused."""

# ruff: noqa: E501 - tables of cases read better unbroken

from __future__ import annotations

import pytest

from tuetinh.care.billing.errors import BadSignature, BadTransfer
from tuetinh.care.billing.wire_bank import read, sign, verify

BODY = b'{"id":"FT1","bin":"970436","account":"1026806174","amount":70200,"content":"12001B000000017"}'


def test_a_signature_is_accepted_within_its_time() -> None:
    verify(BODY, sign(BODY, "s", at=1000), "s", at=1300)


@pytest.mark.parametrize(
    ("body", "header", "secret", "at"),
    [
        (BODY, sign(BODY, "s", at=1000), "s", 1301),
        (BODY, sign(BODY, "s", at=1000), "s", 699),
        (BODY, sign(BODY, "other", at=1000), "s", 1000),
        (BODY + b" ", sign(BODY, "s", at=1000), "s", 1000),
        (BODY, sign(BODY, "s", at=1000).replace("t=1000", "t=1001"), "s", 1000),
        (BODY, "", "s", 1000),
        (BODY, "t=1000,v1=", "s", 1000),
    ],
)
def test_everything_else_is_refused(body: bytes, header: str, secret: str, at: int) -> None:
    with pytest.raises(BadSignature):
        verify(body, header, secret, at=at)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", BODY.replace(b"70200", b"-1"), BODY.replace(b"70200", b"1e99"), BODY.replace(b"70200", b'"NaN"'),
     BODY.replace(b"FT1", b""), BODY.replace(b"12001B", b"\\u0000"), b"\xff"],
)  # fmt: skip
def test_what_is_no_transfer_is_refused(body: bytes) -> None:
    with pytest.raises(BadTransfer):
        read(body)
