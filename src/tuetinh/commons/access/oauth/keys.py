"""The keys by which this node signs identity tokens: files that only the node reads, a new one every ninety days."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet

ALGORITHM = "ES384"
ROTATE = 90 * 86400  # seconds
KEEP = ROTATE + 2 * 86400  # what an old key signed has long expired, and clients' caches with it


def _folder() -> Path:
    return Path(settings.DATA) / "keys" / "smart"


def _known() -> list[tuple[int, ECKey]]:
    """Keys with the second they were made, oldest first, without those whose time is over."""
    oldest = time.time() - KEEP
    found = []
    for path in sorted(_folder().glob("*.jwk")):
        made = int(path.stem)
        if made >= oldest:
            found.append((made, ECKey.import_key(json.loads(path.read_text(encoding="utf-8")))))
        else:
            path.unlink(missing_ok=True)
    return found


def _make() -> None:
    """Make the key of this ninety days; processes that do so together agree on one."""
    key = ECKey.generate_key("P-384", {"alg": ALGORITHM, "use": "sig"}, private=True, auto_kid=True)
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = int(time.time()) // ROTATE * ROTATE
    part = folder / f"{made}.{os.getpid()}"
    part.touch(mode=0o600)
    part.write_text(json.dumps(key.as_dict(private=True)), encoding="utf-8")
    with contextlib.suppress(FileExistsError):
        os.link(part, folder / f"{made}.jwk")
    part.unlink()


def _keys() -> list[ECKey]:
    known = _known()
    if not known or known[-1][0] + ROTATE <= time.time():
        _make()
        known = _known()
    return [key for _, key in known]


def public_keys() -> dict[str, Any]:
    """The JWKS of the node: the key in use and those before it that may still be met."""
    known: list[Key] = [*_keys()]
    return dict(KeySet(known).as_dict(private=False))


def sign(claims: dict[str, Any]) -> str:
    """A signed JWT of the claims."""
    key = _keys()[-1]
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key, algorithms=[ALGORITHM])
