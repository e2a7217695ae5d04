"""Closed-loop load over HTTP: Debian's `wrk` when it is installed, else a generator of our own, which is slower."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

Header = tuple[str, str]

WRK = shutil.which("wrk")
SCRIPT = """
local requests = {}
for line in io.lines("%(file)s") do
  local method, path, body = line:match("^(%%S+) (%%S+) ?(.*)$")
  requests[#requests + 1] = wrk.format(method, path, {["%(name)s"] = "%(value)s",
    ["Content-Type"] = "application/fhir+json"}, body ~= "" and body or nil)
end
local n = 0
request = function() n = n + 1; return requests[(n - 1) %% #requests + 1] end
done = function(summary, latency)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.timeout + e.status
  io.write(string.format('\\n@{"count":%%d,"us":%%d,"p50":%%d,"p95":%%d,"errors":%%d}\\n', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(95), failed))
end
"""


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask again and again."""

    method: str
    path: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of it. rate: answers a second. p50, p95: milliseconds. errors: answers of 400 and above, or none."""

    rate: float
    p50: float
    p95: float
    errors: int


def run(url: str, proof: Header, requests: Sequence[Request], clients: int, seconds: float, scratch: Path) -> Run:
    """Ask the requests in turn from so many connections for so long. proof: the header that says who asks."""
    if WRK:
        return _wrk(url, proof, requests, clients, seconds, scratch)
    return asyncio.run(_own(url, proof, requests, clients, seconds))


def _wrk(url: str, proof: Header, requests: Sequence[Request], clients: int, seconds: float, scratch: Path) -> Run:
    lines, script = scratch / "requests.txt", scratch / "requests.lua"
    lines.write_text("\n".join(f"{r.method} {r.path} {r.body}" for r in requests) + "\n", encoding="utf-8")
    script.write_text(SCRIPT % {"file": lines, "name": proof[0], "value": proof[1]}, encoding="utf-8")
    command = [str(WRK), "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "-s", str(script), url]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    got = json.loads(told.rpartition("@")[2])
    return Run(got["count"] / (got["us"] / 1e6), got["p50"] / 1000, got["p95"] / 1000, got["errors"])


async def _own(url: str, proof: Header, requests: Sequence[Request], clients: int, seconds: float) -> Run:
    place = urlsplit(url)
    wires = [_wire(place.netloc, proof, request) for request in requests]
    times: list[float] = []
    errors = 0
    end = time.perf_counter() + seconds

    async def ask(first: int) -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        turn = first
        while (began := time.perf_counter()) < end:
            writer.write(wires[turn % len(wires)])
            turn += clients
            status = await _answer(reader)
            times.append(time.perf_counter() - began)
            errors += status >= 400
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(ask(n) for n in range(clients)))
    took = time.perf_counter() - began
    times.sort()
    return Run(len(times) / took, times[len(times) // 2] * 1000, times[int(len(times) * 0.95)] * 1000, errors)


def _wire(host: str, proof: Header, request: Request) -> bytes:
    body = request.body.encode()
    head = (
        f"{request.method} {request.path} HTTP/1.1\r\nHost: {host}\r\n{proof[0]}: {proof[1]}\r\n"
        f"Content-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _answer(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head[9:12])
    if b"transfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    elif status != 204:
        await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
    return status
