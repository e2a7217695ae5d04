"""Those outside of the database who are told the head of the access log, and what they were told.

A file gets each new head; a mail address and a timestamp authority (RFC 3161) get one a day, as told in a second file.
"""

from __future__ import annotations

import json
import os
import smtplib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha512
from pathlib import Path
from typing import Protocol

import httpx
from django.core.mail import send_mail
from rfc3161_client import TimestampRequestBuilder, decode_timestamp_response

from tuetinh.record.audit.chain import Head

NAME = "heads.jsonl"
SECONDS = 15
_EVERY = timedelta(days=1)
_STAMPS = "stamps"


class Refused(Exception):
    """A witness could not be told."""


class Witness(Protocol):
    """Somebody to tell."""

    @property
    def name(self) -> str:
        """How the list of what was told calls it."""

    @property
    def every(self) -> timedelta:
        """How long it need not be told again."""

    def tell(self, head: Head) -> None:
        """Tell the head. Raises Refused, and is asked again later."""


@dataclass(frozen=True, slots=True)
class File:
    """A file, best on another disk or machine, to which a line is added for each head."""

    path: Path
    every: timedelta = timedelta()

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def tell(self, head: Head) -> None:
        """Add a line and wait until it is on the disk."""
        line = json.dumps({"number": head.number, "hash": head.hash, "at": datetime.now(UTC).isoformat()})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Refused(f"{self.path}: {error.strerror}") from error

    def heads(self) -> Iterator[Head]:
        """What it was told. A line that was cut off, by a loss of power, is passed over."""
        if not self.path.exists():
            return
        with self.path.open() as file:
            for line in file:
                try:
                    told = json.loads(line)
                    yield Head(told["number"], told["hash"])
                except (ValueError, KeyError, TypeError):
                    continue


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail address: whoever reads it holds the hash where the owner of the database does not reach."""

    address: str
    every: timedelta = _EVERY

    @property
    def name(self) -> str:
        """The address as a link."""
        return f"mailto:{self.address}"

    def tell(self, head: Head) -> None:
        """Send the head."""
        text = f"block {head.number}\nsha-256 {head.hash}\n"
        try:
            send_mail(f"Tuệ Tĩnh: access log, block {head.number}", text, None, [self.address])
        except (OSError, smtplib.SMTPException) as error:
            raise Refused(f"mail: {type(error).__name__}") from error


@dataclass(frozen=True, slots=True)
class Authority:
    """A timestamp authority (RFC 3161). Its tokens are kept in a folder, `NUMBER-HASH.tsr`."""

    url: str
    folder: Path
    every: timedelta = _EVERY

    @property
    def name(self) -> str:
        """Where it is."""
        return self.url

    def tell(self, head: Head) -> None:
        """Have the hash stamped, and keep the answer."""
        query = TimestampRequestBuilder().data(bytes.fromhex(head.hash)).build().as_bytes()
        try:
            answer = httpx.post(
                self.url, content=query, headers={"Content-Type": "application/timestamp-query"}, timeout=SECONDS
            )
            answer.raise_for_status()
            whole = _stamps(answer.content, head.hash)
        except (httpx.HTTPError, ValueError) as error:
            raise Refused(f"{self.url}: {type(error).__name__}") from error
        if not whole:
            raise Refused(f"{self.url}: the stamp is not for what was asked")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{head.number}-{head.hash}.tsr").write_bytes(answer.content)

    def heads(self) -> Iterator[Head]:
        """What was stamped; a token that stamps something else than its name says has no hash."""
        for path in sorted(self.folder.glob("*.tsr")):
            number, _, claimed = path.stem.partition("-")
            try:
                whole = _stamps(path.read_bytes(), claimed)
            except ValueError:
                whole = False
            yield Head(int(number), claimed if whole else "")


def _stamps(token: bytes, hash_: str) -> bool:
    """Whether a token was granted for the hash. Raises ValueError when it is none."""
    stamp = decode_timestamp_response(token)
    return stamp.status == 0 and stamp.tst_info.message_imprint.message == sha512(bytes.fromhex(hash_)).digest()


def parse(folder: Path, words: str) -> list[File | Mail | Authority]:
    """The witnesses of a node: its own file in the folder, and those that are named with spaces between.

    words: `file:/path`, `mailto:address`, `https://…` or `http://…` of a timestamp authority. Raises ValueError.
    """
    found: list[File | Mail | Authority] = [File(folder / NAME)]
    for word in words.split():
        kind, _, rest = word.partition(":")
        if kind == "file" and rest.startswith("/"):
            found.append(File(Path(rest)))
        elif kind == "mailto" and "@" in rest:
            found.append(Mail(rest))
        elif kind in ("http", "https") and rest.startswith("//"):
            found.append(Authority(word, folder / _STAMPS))
        else:
            message = f"{word!r} is no witness: file:/path, mailto:address, or the address of a timestamp authority"
            raise ValueError(message)
    return found


class Telling:
    """Tells witnesses the heads that are new to them, each as often as it wants; keeps in a file who was told when."""

    def __init__(self, witnesses: Sequence[Witness], folder: Path) -> None:
        self.witnesses, self._kept = witnesses, folder / "told.json"
        self._told: dict[str, tuple[int, str]] = {}
        if self._kept.exists():
            self._told = {name: (told[0], told[1]) for name, told in json.loads(self._kept.read_text()).items()}

    def tell(self, head: Head, *, all_: bool = False) -> list[str]:
        """Tell whoever is due, with `all_` everybody; returns what went wrong."""
        wrong, now = [], datetime.now(UTC)
        for witness in self.witnesses:
            number, at = self._told.get(witness.name, (0, ""))
            if not all_ and (number == head.number or (at and now - datetime.fromisoformat(at) < witness.every)):
                continue
            try:
                witness.tell(head)
            except Refused as error:
                wrong.append(str(error))
                continue
            self._told[witness.name] = (head.number, now.isoformat())
            if witness.every:
                self._kept.parent.mkdir(parents=True, exist_ok=True)
                self._kept.write_text(json.dumps(self._told))
        return wrong
