"""The machines of the journey: an analyser that speaks MLLP, the bank, a connected system on the FHIR API."""

from __future__ import annotations

import socket
from datetime import datetime
from typing import Any

import httpx

from tuetinh.node.journey.desk import Refused

START, END = b"\x0b", b"\x1c\r"


def send_hl7(port: int, segments: list[str]) -> str:
    """Send one HL7 v2 message by MLLP and return the acknowledgement; raises Refused unless it is AA."""
    message = "\r".join(segments) + "\r"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(START + message.encode() + END)
        answer = b""
        while not answer.endswith(END):
            part = wire.recv(65536)
            if not part:
                raise Refused("the MLLP listener closed the line without an answer")
            answer += part
    text = answer.strip(START + END).decode()
    if "\rMSA|AA|" not in text:
        raise Refused(f"the laboratory answered {text!r}")
    return text


def results(barcode: str, values: dict[str, tuple[str, str, str]], *, sender: str = "XN-1000") -> list[str]:
    """An ORU^R01 of an analyser: barcode and, by analyte, value, unit and reference range."""
    now = f"{datetime.now().astimezone():%Y%m%d%H%M%S%z}"
    lines = [
        f"MSH|^~\\&|{sender}|LAB|TUETINH|LAB|{now}||ORU^R01|J{now[:14]}{barcode[-4:]}|P|2.5.1|||||VNM|UNICODE UTF-8",
        "PID|1",
        f"OBR|1|{barcode}||PANEL^Panel|||{now}",
    ]
    for number, (code, (value, unit, normal)) in enumerate(values.items(), 1):
        lines.append(f"OBX|{number}|NM|{code}^{code}||{value}|{unit}|{normal}|||F|||{now}")
    return lines


class Fhir:
    """A connected system: client credentials at `/oauth/token`, then Bearer on `/fhir`."""

    def __init__(self, url: str, client: dict[str, str]) -> None:
        """Take a token."""
        self.http = httpx.Client(base_url=url, timeout=20)
        form = {"grant_type": "client_credentials", "scope": "system/*.*"}
        answer = self.http.post("/oauth/token", data=form, auth=(client["id"], client["secret"]))
        if answer.status_code != 200:
            raise Refused(f"/oauth/token answered {answer.status_code}: {answer.text[:200]}")
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Read or search; raises Refused for anything but 200."""
        answer = self.http.get(f"/fhir/{path}", params=query or None)
        if answer.status_code != 200:
            raise Refused(f"GET /fhir/{path} answered {answer.status_code}: {answer.text[:300]}")
        return dict(answer.json())

    def all(self, type_: str, **query: str) -> list[dict[str, Any]]:
        """The resources of a search, of its first page."""
        return [entry["resource"] for entry in self.get(type_, **query).get("entry", [])]
