"""A certificate that tests sign with."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509.oid import NameOID

from tuetinh.care.insurance.sending.signing import Key, open_key

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TTYT Tam Đường")])


@cache
def key_file(password: str) -> bytes:
    """A PKCS#12 file."""
    private = rsa.generate_private_key(65537, 2048)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(private.public_key())
        .serial_number(7)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2030, 1, 1, tzinfo=UTC))
        .sign(private, hashes.SHA256())
    )
    return pkcs12.serialize_key_and_certificates(
        b"ttyt", private, certificate, None, BestAvailableEncryption(password.encode())
    )


@cache
def key() -> Key:
    """What it opens to."""
    return open_key(key_file("mật khẩu"), "mật khẩu")
