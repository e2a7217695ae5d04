"""Keys that stay where they are: in a token or security module (PKCS#11), or with a signing service (CSC API 1.0.4).

Which there are to choose from says whoever keeps the node, for a module is a program: `TUETINH_PKCS11`, paths separated
as in PATH, and `TUETINH_CSC`, addresses that end in /csc/v1, separated by spaces.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives.hashes import SHA256

from tuetinh.care.insurance.errors import BadKeyFile, KeyRefused, SignerAway

HASH_ALGORITHM, SIGN_ALGORITHM = "2.16.840.1.101.3.4.2.1", "1.2.840.113549.1.1.11"  # SHA-256, RSA with it
TIMEOUT = httpx.Timeout(20.0, connect=5.0)
EARLY = 30.0  # seconds before its end from which a token of access is not used any more
_access: dict[tuple[str, str], tuple[str, float]] = {}


def modules() -> list[str]:
    """The PKCS#11 modules that may be used."""
    return [path for path in os.environ.get("TUETINH_PKCS11", "").split(os.pathsep) if path]


def services() -> list[str]:
    """The addresses of the signing services that may be used."""
    return [address.rstrip("/") for address in os.environ.get("TUETINH_CSC", "").split()]


class OnToken(msgspec.Struct, frozen=True, tag="pkcs11"):
    """A key in a token. token, label: what token and key are called; certificate: DER, base64."""

    module: str
    token: str
    label: str
    pin: str
    certificate: str = ""

    def found(self) -> OnToken:
        """The same with the certificate that lies beside the key. Raises BadKeyFile, KeyRefused, SignerAway."""
        from tuetinh.care.insurance.sending import tokens

        return msgspec.structs.replace(self, certificate=base64.b64encode(tokens.certificate(self)).decode())

    def sign(self, data: bytes, padding: object, algorithm: object) -> bytes:
        """Sign as a private key of `cryptography` does. Raises KeyRefused, SignerAway."""
        from tuetinh.care.insurance.sending import tokens

        _only_sha256(algorithm)
        return tokens.sign(self, data)


class Remote(msgspec.Struct, frozen=True, tag="csc"):
    """A key with a signing service. account, password: of the facility there; credential: its key; certificate: DER,
    base64.
    """

    address: str
    account: str
    password: str
    credential: str
    pin: str = ""
    certificate: str = ""

    def found(self) -> Remote:
        """The same with the certificate of the credential. Raises BadKeyFile, KeyRefused, SignerAway."""
        told = self._ask("credentials/info", {"credentialID": self.credential, "certificates": "single"})
        try:
            enabled, held = told["key"]["status"] == "enabled", told["cert"]["certificates"]
            by_hand = told.get("OTP", {}).get("presence") == "true"  # nobody is there to type it
        except (KeyError, TypeError, AttributeError):
            raise SignerAway from None
        if not enabled or by_hand or not held:
            raise BadKeyFile
        return msgspec.structs.replace(self, certificate=str(held[0]))

    def sign(self, data: bytes, padding: object, algorithm: object) -> bytes:
        """Sign as a private key of `cryptography` does. Raises KeyRefused, SignerAway."""
        _only_sha256(algorithm)
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        about: dict[str, Any] = {"credentialID": self.credential, "hash": [digest]}
        pin = {"PIN": self.pin} if self.pin else {}
        allowed = self._ask("credentials/authorize", about | {"numSignatures": 1} | pin)
        algorithms = {"hashAlgo": HASH_ALGORITHM, "signAlgo": SIGN_ALGORITHM}
        signed = self._ask("signatures/signHash", about | {"SAD": str(allowed.get("SAD", ""))} | algorithms)
        try:
            return base64.b64decode(signed["signatures"][0], validate=True)
        except (KeyError, IndexError, TypeError, ValueError):
            raise SignerAway from None

    def _ask(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        if self.address not in services():
            raise KeyRefused
        for fresh in (False, True):
            reply = _post(f"{self.address}/{call}", json=body, headers=self._access(fresh=fresh))
            if reply.status_code != 401:
                break
        if reply.status_code in (400, 401, 403, 404):
            raise KeyRefused
        return _told(reply)

    def _access(self, *, fresh: bool) -> dict[str, str]:
        """The head that says who asks; none where the service lets in by other means."""
        if not self.account:
            return {}
        token, until = _access.get((self.address, self.account), ("", 0.0))
        if fresh or time.monotonic() > until:
            told = self._login()
            token, until = (
                str(told.get("access_token", "")),
                time.monotonic() + float(told.get("expires_in", 0)) - EARLY,
            )
            _access[self.address, self.account] = token, until
        return {"Authorization": f"Bearer {token}"}

    def _login(self) -> dict[str, Any]:
        """A token of access, by whichever of its ways the service says that it has."""
        info = _told(_post(f"{self.address}/info", json={}))
        if "basic" in info.get("authType", []):
            reply = _post(f"{self.address}/auth/login", json={}, auth=(self.account, self.password))
        else:
            form = {"grant_type": "client_credentials", "client_id": self.account, "client_secret": self.password}
            reply = _post(f"{str(info.get('oauth2') or self.address).rstrip('/')}/oauth2/token", data=form)
        if reply.status_code in (400, 401, 403):
            raise KeyRefused
        return _told(reply)


def _post(address: str, **more: Any) -> httpx.Response:
    try:
        return httpx.post(address, timeout=TIMEOUT, trust_env=False, **more)
    except httpx.HTTPError:
        raise SignerAway from None  # what was asked holds secrets, which must not travel on into logs


def _told(reply: httpx.Response) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(reply.content) if reply.status_code == 200 else None
    except msgspec.MsgspecError:
        found = None
    if not isinstance(found, dict):
        raise SignerAway
    return found


def _only_sha256(algorithm: object) -> None:
    if not isinstance(algorithm, SHA256):
        raise TypeError(algorithm)
