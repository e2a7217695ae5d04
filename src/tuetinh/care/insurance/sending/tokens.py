"""Tokens and security modules (PKCS#11): what lies in them, what they sign. Only who has one loads their library."""

from __future__ import annotations

import hashlib
from threading import Lock
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import PinExpired, PinIncorrect, PinInvalid, PinLenRange, PinLocked, PKCS11Error

from tuetinh.care.insurance.errors import BadKeyFile, KeyRefused, SignerAway
from tuetinh.care.insurance.sending.elsewhere import OnToken, modules

PIN_REFUSED = (PinIncorrect, PinInvalid, PinLenRange, PinExpired, PinLocked)
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017, 9.2: DigestInfo of SHA-256
_token = Lock()  # a module knows of one login for each token of the process


def certificate(where: OnToken) -> bytes:
    """The certificate (DER) that lies beside a key. Raises BadKeyFile, KeyRefused, SignerAway."""
    with _Session(where) as session:
        key = _key(session, where.label)
        held = list(session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE}))
        same = [one for one in held if key.id and _said(one, Attribute.ID) == key.id]
        named = [one for one in held if _said(one, Attribute.LABEL) == where.label]
        if not (same or named):
            raise BadKeyFile
        return bytes((same or named)[0][Attribute.VALUE])


def sign(where: OnToken, data: bytes) -> bytes:
    """Sign with RSA and SHA-256 (PKCS #1 v1.5). Raises BadKeyFile, KeyRefused, SignerAway."""
    with _Session(where) as session:
        signed = _key(session, where.label).sign(
            SHA256_INFO + hashlib.sha256(data).digest(), mechanism=Mechanism.RSA_PKCS
        )
        return bytes(signed)


def _key(session: pkcs11.Session, label: str) -> pkcs11.PrivateKey:
    wanted = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.KEY_TYPE: KeyType.RSA, Attribute.LABEL: label}
    key = next(iter(session.get_objects(wanted)), None)
    if key is None:
        raise BadKeyFile
    return key


def _said(one: Any, attribute: Attribute) -> Any:
    try:
        return one[attribute]
    except PKCS11Error:
        return None


class _Session:
    """A session with a token, alone in this process; what goes wrong in it is told as what it means for the queue."""

    def __init__(self, where: OnToken) -> None:
        self.where = where

    def __enter__(self) -> pkcs11.Session:
        if self.where.module not in modules():
            raise KeyRefused
        _token.acquire()
        try:
            found = pkcs11.lib(self.where.module).get_token(token_label=self.where.token)
            self.session = found.open(user_pin=self.where.pin)
        except PIN_REFUSED as error:
            _token.release()
            raise KeyRefused from error
        except (PKCS11Error, RuntimeError, OSError) as error:
            _token.release()
            raise SignerAway from error
        except BaseException:
            _token.release()
            raise
        return self.session

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self.session.close()
        except PKCS11Error:
            pass
        finally:
            _token.release()
        if isinstance(error, PKCS11Error):
            raise SignerAway from error
