"""A bank to demonstrate and test with: pays a VietQR text and tells the node by its signed webhook, as a bank does."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec

from tuetinh.care.billing.wire_bank import HEADER, sign
from tuetinh.care.billing.wire_vietqr import fields, objects

WEBHOOK = "/billing/webhooks/bank"


def pay(qr: str, *, secret: str, node: str, amount: int | None = None, id_: str = "") -> dict[str, Any]:
    """Pay a VietQR text and return what the node answered. amount: instead of the text's own; id_: to tell it again.

    Raises ValueError for a text that is no VietQR, httpx.HTTPError when the node does not answer.
    """
    found = fields(qr)
    where = objects(objects(found["38"])["01"])
    told = {
        "id": id_ or f"FT{datetime.now(UTC):%y%j}{secrets.token_hex(5).upper()}",
        "bin": where["00"],
        "account": where["01"],
        "amount": amount or int(found.get("54", "0")),
        "content": objects(found.get("62", "")).get("08", ""),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    body = msgspec.json.encode(told)
    reply = httpx.post(node + WEBHOOK, content=body, headers={HEADER: sign(body, secret)}, timeout=20, trust_env=False)
    return {"status": reply.status_code, "id": told["id"], "answer": reply.json()}


class Simulator:
    """The bank as an ASGI application: `POST /pay` with `{"qr": …, "amount"?: …, "node"?: …}`.

    secret: finds the secret that an account's webhook is signed with, by BIN and number.
    """

    def __init__(self, secret: Callable[[str, str], str]) -> None:
        self._secret = secret
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="bank")

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer `POST /pay`; 404 for anything else, 400 for what is no VietQR."""
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if scope["path"] != "/pay" or scope["method"] != "POST":
            status, answer = 404, {"error": "not-found"}
        else:
            status, answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._pay, body)
        content = msgspec.json.encode(answer)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _pay(self, body: bytes) -> tuple[int, dict[str, Any]]:
        try:
            asked = msgspec.json.decode(body, type=dict[str, Any])
            where = objects(objects(fields(asked["qr"])["38"])["01"])
            node = asked.get("node") or os.environ.get("TUETINH_URL", "http://127.0.0.1:8000")
            secret = self._secret(where["00"], where["01"])
            return 200, pay(asked["qr"], secret=secret, node=node, amount=asked.get("amount"), id_=asked.get("id", ""))
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
            return 400, {"error": "no-vietqr"}
        except httpx.HTTPError:
            return 502, {"error": "node-unreachable"}


def _secret(bin_: str, number: str) -> str:
    from django.db import connections

    from tuetinh.care.billing.actions import secret_of
    from tuetinh.care.billing.models import BankAccount

    try:
        account = BankAccount.objects.filter(bin=bin_, number=number).first()
        return secret_of(account) if account else "no such account"
    finally:
        connections.close_all()


app = Simulator(_secret)
