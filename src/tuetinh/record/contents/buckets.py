"""Buckets that speak S3."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import BinaryIO, cast

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from tuetinh.record.contents.places import CHUNK, Entry, Missing, NoPlace, Unreachable, Write

PART = 16 << 20  # of an upload; S3 takes 10,000 of them
PARTS_AT_ONCE = 2
CONNECT, ANSWER, TRIES = timedelta(seconds=5), timedelta(seconds=60), timedelta(seconds=15)


class Bucket:
    """A bucket, or a part of one. Address and secrets come from AWS's own settings in the environment."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        self._store = S3Store.from_url(
            self._url,
            client_options={"connect_timeout": CONNECT, "timeout": ANSWER, "allow_http": plain},
            retry_config={"max_retries": 3, "retry_timeout": TRIES},
        )

    def __str__(self) -> str:
        return self._url

    def put(self, name: str, write: Write) -> None:
        try:
            writer = obstore.open_writer(self._store, name, buffer_size=PART, max_concurrency=PARTS_AT_ONCE)
            write(cast(BinaryIO, writer))  # one that is not closed leaves nothing
            writer.close()
        except (BaseError, OSError) as error:
            raise self._unreachable(name, error) from error

    def get(self, name: str) -> Iterator[bytes]:
        try:
            for chunk in obstore.get(self._store, name).stream(CHUNK):
                yield bytes(chunk)
        except (NotFoundError, FileNotFoundError) as error:
            raise Missing(f"{self._url}/{name} is missing") from error
        except (BaseError, OSError) as error:
            raise self._unreachable(name, error) from error

    def size(self, name: str) -> int:
        try:
            return int(obstore.head(self._store, name)["size"])
        except (NotFoundError, FileNotFoundError) as error:
            raise Missing(f"{self._url}/{name} is missing") from error
        except (BaseError, OSError) as error:
            raise self._unreachable(name, error) from error

    def entries(self, below: str = "") -> Iterator[Entry]:
        try:
            for batch in obstore.list(self._store, prefix=below or None):
                for found in batch:
                    yield Entry(found["path"], found["size"], found["last_modified"])
        except (BaseError, OSError) as error:
            raise self._unreachable(below, error) from error

    def delete(self, names: Iterable[str]) -> None:
        for name in names:
            try:
                obstore.delete(self._store, name)
            except (NotFoundError, FileNotFoundError):
                continue
            except (BaseError, OSError) as error:
                raise self._unreachable(name, error) from error

    def _unreachable(self, name: str, error: Exception) -> Unreachable:
        told = str(error).strip().partition("\n")[0][:300]  # the rest are details of the library
        return Unreachable(f"{self._url}/{name}: {told}")


def open_bucket(address: str) -> Bucket:
    """The bucket of an address `s3://bucket/prefix`. Raises NoPlace."""
    try:
        return Bucket(address)
    except (BaseError, ValueError) as error:
        raise NoPlace(f"{address}: {error}") from error
