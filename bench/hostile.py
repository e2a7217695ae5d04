"""What legitimate clients feel of hostile ones: reads and searches while half of all connections are an attacker's.

usage: python -m bench.hostile [--rounds N] [--seconds S] [--clients N]

The same number of connections asks in both halves of a pair: all of them legitimate, or every second an attacker
with an account of its own: searches that cost much, broken bodies, what does not exist. The ratio is the median.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import statistics
from concurrent.futures import ThreadPoolExecutor

import psycopg

from bench import load, pairs
from bench.__main__ import shapes
from bench.load import Request
from bench.node import own_folder, running

DEEP = '{"resourceType":"Bundle","type":"batch","entry":' + "[" * 5000 + "]" * 5000 + "}"
MANY = json.dumps(
    {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": "GET", "url": "Observation?code:text=a&_count=200"}}] * 50,
    }
)
SYSTEM = """INSERT INTO access_client (id, name, secret_digest, scopes, facility, is_active, jwks_url, redirect_uris,
  launch_url) VALUES ('attacker', 'attacker', '', 'system/*.cruds', '', true, '', '', '')"""
TOKEN = """INSERT INTO access_token (digest, client_id, scopes, expires)
VALUES (%s, 'attacker', 'system/*.cruds', now() + interval '1 hour')"""
HOSTILE = (
    Request("GET", "/fhir/Observation?code:text=a&_sort=-date&_include=*&_count=1000"),
    Request("GET", "/fhir/Patient?name:contains=n&_total=accurate&_revinclude=Observation:patient&_count=1000"),
    Request("GET", "/fhir/Patient?_has:Observation:patient:value-quantity=gt1&name:contains=a&_total=accurate"),
    Request("GET", "/fhir/Observation?subject:Patient.name:contains=n&_total=accurate"),
    Request("POST", "/fhir", MANY),
    Request("POST", "/fhir", DEEP),
    Request("POST", "/fhir/Patient", "{" * 10_000),
    Request("GET", "/fhir/Patient/../../etc/passwd"),
    Request("GET", "/fhir/Patient?name=%27%20OR%201=1--"),
    Request("GET", "/fhir/AuditEvent"),
    Request("GET", "/wp-admin/setup.php"),
)


def main() -> None:
    """Measure the pairs and print the ratio of their p95."""
    options = pairs.parser("bench.hostile", __doc__).parse_args()
    half = max(1, options.clients // 2)
    with own_folder() as scratch:
        (scratch / "other").mkdir()
        with running(scratch / "node", 300) as node, ThreadPoolExecutor(1) as beside:
            asked = [one for name, some in shapes(node).items() if name in pairs.CASES for one in some]
            attacker = _proof_of_another(f"postgresql://postgres@/tuetinh?host={scratch}/node/postgres")
            found: list[tuple[load.Run, load.Run]] = []
            for _ in range(options.rounds):
                runs = []
                for proof, others in ((node.bearer, asked), (attacker, HOSTILE)):
                    seconds, place = options.seconds + 1, scratch / "other"
                    away = beside.submit(load.run, node.url, proof, others, half, seconds, place)
                    runs.append(load.run(node.url, node.bearer, asked, half, options.seconds, scratch))
                    away.result()
                found.append((runs[0], runs[1]))
    peace, war = (statistics.median(pair[n].p95 for pair in found) for n in (0, 1))
    ratio = statistics.median(pair[1].p95 / pair[0].p95 for pair in found)
    print(f"{half} legitimate connections beside {half} others; errors {sum(pair[1].errors for pair in found)}")
    print(f"p95 beside legitimate ones {peace:.1f} ms, beside hostile ones {war:.1f} ms: ratio {ratio:.2f}")


def _proof_of_another(url: str) -> tuple[str, str]:
    """The header of another system than that of the node, put in its database."""
    token = secrets.token_urlsafe()
    with psycopg.connect(url) as conn:
        conn.execute(SYSTEM)
        conn.execute(TOKEN, [hashlib.sha256(token.encode()).digest()])
    return "Authorization", f"Bearer {token}"


if __name__ == "__main__":
    main()
