"""Certificates that the demo province signs its insurance files with: no authority knows them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tuetinh.care.insurance.api import Key


def maker() -> Callable[[str], Key]:
    """A function that makes a certificate for a name; all of them have the one private key of this province."""
    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    begin = datetime.now(UTC) - timedelta(days=1)

    def made(name: str) -> Key:
        who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        certificate = (
            x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(private.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=730)).sign(private, hashes.SHA256())
        )  # fmt: skip
        whole = pem + certificate.public_bytes(serialization.Encoding.PEM)
        return Key(whole.decode(), who.rfc4514_string(), certificate.not_valid_after_utc.date())

    return made
