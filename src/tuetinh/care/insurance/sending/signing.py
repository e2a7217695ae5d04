"""The signature of a facility on its files: XMLDSig in CHUKYDONVI, RSA with SHA-256, over the whole document."""

from __future__ import annotations

import base64
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import pkcs12
from lxml import etree

from tuetinh.care.insurance.errors import BadKeyFile
from tuetinh.care.insurance.sending.elsewhere import OnToken, Remote
from tuetinh.care.insurance.wire_xml3176 import parse

if TYPE_CHECKING:
    from signxml.verifier import VerifyResult

C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
DS = "http://www.w3.org/2000/09/xmldsig#"
TRIED = b"tuetinh"  # what a key signs to show that it is the certificate's


class Key(NamedTuple):
    """What a facility signs with. secret: private key and certificate (PEM), or as JSON where the key is (`elsewhere`);
    subject: whose; until: its last day.
    """

    secret: str
    subject: str
    until: date


def open_key(file: bytes, password: str) -> Key:
    """Read a PKCS#12 file. Raises BadKeyFile for another file, a wrong password, or a key that is not RSA."""
    try:
        key, certificate, _ = pkcs12.load_key_and_certificates(file, password.encode() or None)
    except ValueError as error:
        raise BadKeyFile from error
    if not isinstance(key, rsa.RSAPrivateKey) or certificate is None:
        raise BadKeyFile
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = plain + certificate.public_bytes(serialization.Encoding.PEM)
    return _of(certificate, pem.decode())


def open_elsewhere(where: OnToken | Remote) -> Key:
    """Find a key that stays where it is, and try it. Raises BadKeyFile, KeyRefused, SignerAway."""
    found = where.found()
    certificate = _certificate(found)
    public = certificate.public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        raise BadKeyFile
    try:
        public.verify(found.sign(TRIED, PKCS1v15(), SHA256()), TRIED, PKCS1v15(), SHA256())
    except InvalidSignature as error:  # the certificate is another key's
        raise BadKeyFile from error
    return _of(certificate, msgspec.json.encode(found).decode())


def _of(certificate: x509.Certificate, secret: str) -> Key:
    return Key(secret, certificate.subject.rfc4514_string(), certificate.not_valid_after_utc.date())


def _certificate(where: OnToken | Remote) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(base64.b64decode(where.certificate))
    except ValueError as error:
        raise BadKeyFile from error


def sign(document: bytes, secret: str) -> bytes:
    """Fill CHUKYDONVI of a document with the signature of a key (`Key.secret`). Raises KeyRefused, SignerAway."""
    from signxml.algorithms import SignatureConstructionMethod
    from signxml.signer import XMLSigner

    root = etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True, strip_cdata=False))
    place = root.find("CHUKYDONVI")
    etree.SubElement(place, f"{{{DS}}}Signature", Id="placeholder", nsmap={"ds": DS})
    key, certificate = _loaded(secret)
    signer = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm="rsa-sha256",
        digest_algorithm="sha256",
        c14n_algorithm=C14N,
    )
    signed = signer.sign(root, key=key, cert=[certificate])
    return bytes(etree.tostring(signed, xml_declaration=True, encoding="utf-8"))


@lru_cache(maxsize=4)
def _loaded(secret: str) -> tuple[Any, x509.Certificate]:
    """What signs, and its certificate: checking a key takes longer than signing with it."""
    if secret.startswith("{"):
        where = msgspec.json.decode(secret, type=OnToken | Remote)
        return where, _certificate(where)
    return serialization.load_pem_private_key(secret.encode(), None), x509.load_pem_x509_certificate(secret.encode())


def signer_of(document: bytes) -> str | None:
    """Who signed a document, by the certificate within, None where nobody did.

    Raises ValueError for a wrong signature, WireError for what is no document.
    That the certificate is the facility's own is for whoever keeps the register of certificates to say.
    """
    from signxml.exceptions import SignXMLException
    from signxml.verifier import XMLVerifier

    root = parse(document, "file")
    told = root.findtext(f"CHUKYDONVI/{{{DS}}}Signature/{{{DS}}}KeyInfo/{{{DS}}}X509Data/{{{DS}}}X509Certificate")
    if not told:
        return None
    pem = f"-----BEGIN CERTIFICATE-----\n{told.strip()}\n-----END CERTIFICATE-----\n"
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        signed = cast("VerifyResult", XMLVerifier().verify(document, x509_cert=certificate)).signed_xml
    except (SignXMLException, InvalidSignature, ValueError) as error:
        raise ValueError("the signature does not fit the document") from error
    if signed is None or signed.tag != root.tag:
        raise ValueError("the signature is not over the whole document")
    return str(certificate.subject.rfc4514_string())
