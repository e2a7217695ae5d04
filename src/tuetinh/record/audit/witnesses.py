"""Those outside of the database who are told the head of the access log, and what they were told.

A file gets each new head, and what is seen while nothing can be sealed; a mail address and a timestamp authority (RFC
3161) get a head a day, as told in a second file.
"""

from __future__ import annotations

import json
import os
import re
import smtplib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha512
from pathlib import Path
from typing import IO, Any, Protocol

import certifi
import httpx
from cryptography import x509
from django.core.mail import send_mail
from rfc3161_client import TimestampRequestBuilder, VerificationError, VerifierBuilder, decode_timestamp_response

from tuetinh.record.audit.chain import Head, Seen

NAME = "heads.jsonl"
SECONDS = 15
_EVERY = timedelta(days=1)
_STAMPS = "stamps"
_HASH = re.compile("[0-9a-f]{64}")
_LONGEST = 1 << 20  # of a line


class Refused(Exception):
    """A witness could not be told."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is wrong with what a witness keeps."""

    told: str


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
        self._add({"number": head.number, "hash": head.hash})

    def tell_seen(self, seen: Seen) -> None:
        """Add a line of what is not sealed yet, and wait until it is on the disk."""
        told = {"after": seen.after, "end": seen.end, "gaps": seen.gaps, "hash": seen.hash}
        self._add({"seen": told})

    def _add(self, told: dict[str, Any]) -> None:
        line = json.dumps({**told, "at": datetime.now(UTC).isoformat()})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as file:
                _drop_half_a_line(file)
                file.write(line.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Refused(f"{self.path}: {error.strerror}") from error

    def kept(self) -> Iterator[Head | Seen | Doubt]:
        """What it was told. A last line that was cut off, by a loss of power, is passed over."""
        number = 0
        try:
            with self.path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if line.endswith(b"\n"):
                        yield _read(line) or Doubt(f"{self.path}: line {number} is none that a node writes")
        except OSError as error:
            yield Doubt(f"{self.path}: {error.strerror}")
        else:
            if not number:
                yield Doubt(f"{self.path}: empty")


def _read(line: bytes) -> Head | Seen | None:
    try:
        told = json.loads(line)
        if "seen" in told:
            seen = told["seen"]
            gaps = tuple((int(first), int(last)) for first, last in seen["gaps"])
            return Seen(int(seen["after"]), int(seen["end"]), gaps, str(seen["hash"]))
        return Head(int(told["number"]), str(told["hash"]))
    except (ValueError, KeyError, TypeError):
        return None


def _drop_half_a_line(file: IO[bytes]) -> None:
    """Take away what a loss of power left of a line that nobody was told to be there."""
    size = file.seek(0, os.SEEK_END)
    at = max(size - _LONGEST, 0)
    file.seek(at)
    tail = file.read()
    if tail and not tail.endswith(b"\n"):
        file.truncate(at + tail.rfind(b"\n") + 1)


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
    """A timestamp authority (RFC 3161). Its tokens are kept in a folder, `NUMBER-HASH.tsr`.

    roots: a PEM file of the certificates that its signatures must lead to.
    """

    url: str
    folder: Path
    roots: Path
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
        except httpx.HTTPError as error:
            raise Refused(f"{self.url}: {type(error).__name__}") from error
        if wrong := self._doubt(answer.content, head.hash):
            raise Refused(f"{self.url}: {wrong}")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{head.number}-{head.hash}.tsr").write_bytes(answer.content)

    def kept(self) -> Iterator[Head | Doubt]:
        """What was stamped, and each stamp that does not hold."""
        for path in sorted(self.folder.glob("*.tsr")):
            number, _, claimed = path.stem.partition("-")
            if not (number.isascii() and number.isdigit()) or _HASH.fullmatch(claimed) is None:
                yield Doubt(f"{path}: no name that a node gives")
            elif wrong := self._doubt(path.read_bytes(), claimed):
                yield Doubt(f"{path}: {wrong}")
            else:
                yield Head(int(number), claimed)

    def _doubt(self, token: bytes, hash_: str) -> str:
        """What is wrong with a token for a hash: it is none, of something else, or not signed by the authority."""
        try:
            stamp = decode_timestamp_response(_in_order(token))
            if stamp.status != 0 or stamp.tst_info.message_imprint.message != sha512(bytes.fromhex(hash_)).digest():
                return "the stamp is not for what was asked"
            known = x509.load_pem_x509_certificates(self.roots.read_bytes())
            VerifierBuilder(roots=known).build().verify_message(stamp, bytes.fromhex(hash_))
        except VerificationError:
            return f"the signature does not lead to a certificate of {self.roots} (TUETINH_AUDIT_TSA_ROOTS)"
        except OSError as error:
            return f"{self.roots} (TUETINH_AUDIT_TSA_ROOTS): {error.strerror}"
        except ValueError:
            return "no stamp"
        return ""


def _in_order(token: bytes) -> bytes:
    """The token with its certificates in the order that DER wants, which OpenSSL does not keep; no signature covers it.

    Raises ValueError.
    """
    from asn1crypto.cms import CertificateSet
    from asn1crypto.tsp import TimeStampResp

    try:
        response = TimeStampResp.load(token, strict=True)
        signed = response["time_stamp_token"]["content"]
        given = list(signed["certificates"])
        ordered = sorted(given, key=lambda one: one.dump())
        if ordered == given:
            return token
        signed["certificates"] = CertificateSet(ordered)
        return bytes(response.dump())
    except (TypeError, KeyError) as error:
        message = "no timestamp response"
        raise ValueError(message) from error


def parse(folder: Path, words: str, roots: str = "") -> list[File | Mail | Authority]:
    """The witnesses of a node: its own file in the folder, and those that are named with spaces between.

    words: `file:/path`, `mailto:address`, `https://…` or `http://…` of a timestamp authority. roots: of these
    authorities, a PEM file; without one those that web browsers trust. Raises ValueError.
    """
    found: list[File | Mail | Authority] = [File(folder / NAME)]
    for word in words.split():
        kind, _, rest = word.partition(":")
        if kind == "file" and rest.startswith("/"):
            found.append(File(Path(rest)))
        elif kind == "mailto" and "@" in rest:
            found.append(Mail(rest))
        elif kind in ("http", "https") and rest.startswith("//"):
            found.append(Authority(word, folder / _STAMPS, Path(roots or certifi.where())))
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

    def tell_seen(self, seen: Seen) -> list[str]:
        """Tell the files what is there though it cannot be sealed; returns what went wrong."""
        wrong = []
        for witness in self.witnesses:
            if isinstance(witness, File):
                try:
                    witness.tell_seen(seen)
                except Refused as error:
                    wrong.append(str(error))
        return wrong

    def stamped(self, authority: Authority) -> int:
        """The last block that an authority has stamped, as far as is known; 0 for none."""
        return self._told.get(authority.name, (0, ""))[0]
