"""`$import`: files of another server, kept line by line; what is refused is named, and nowhere else is asked."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tuetinh.record.bulk import fetching, files, importing
from tuetinh.record.tests.bulk_world import ASYNC, Made, ended, path_of

pytestmark = pytest.mark.django_db
Asked = list[tuple[str, str]]


class Server:
    """Another server: `pages` by path are (status, headers, body); `asked` is what was asked of it."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: Asked = []
        mine = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mine.asked.append((self.headers["host"], self.path))
                status, headers, body = mine.pages.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def holds(self, path: str, body: bytes | list[Any], status: int = 200, **headers: str) -> str:
        """Have something at a path; returns its address."""
        if isinstance(body, list):
            body = b"".join(json.dumps(each).encode() + b"\n" for each in body)
        self.pages[path] = (status, headers, body)
        return self.url + path


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    monkeypatch.setenv(fetching.SETTING, server.url)
    monkeypatch.setattr(fetching, "WAIT_SECONDS", 0.0)
    yield server
    server.http.shutdown()
    server.http.server_close()


def parameters(*inputs: tuple[str, str]) -> dict[str, Any]:
    """A kick-off as HAPI and Microsoft take it."""
    parts = [[("type", "valueCode", type_), ("url", "valueUri", url)] for type_, url in inputs]
    listed = [
        {"name": "input", "part": [{"name": name, kind: value} for name, kind, value in each if value]}
        for each in parts
    ]
    lead = [
        {"name": "inputFormat", "valueCode": "application/fhir+ndjson"},
        {"name": "inputSource", "valueUri": "https://other.example"},
        {"name": "storageDetail", "part": [{"name": "type", "valueCode": "https"}]},
        {"name": "mode", "valueString": "IncrementalLoad"},
    ]
    return {"resourceType": "Parameters", "parameter": lead + listed}


def load(fhir: Any, *inputs: tuple[str, str], who: str = "system") -> Made:
    answer = fhir.post("/$import", parameters(*inputs), who, headers=ASYNC)
    return ended(fhir, path_of(answer), who)


def patient(id_: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id_} | more


def told(made: Made) -> list[tuple[str, str]]:
    """What the errors of an import say, with the place in the resource."""
    issues = [issue for outcome in made.lines("error") for issue in outcome["issue"]]
    return [(issue["diagnostics"], ",".join(issue.get("expression", []))) for issue in issues]


def test_files_are_kept_plain_or_packed(fhir: Any, other: Server) -> None:
    one = other.holds("/one.ndjson", [patient("p1"), patient("p2")])
    zipped = gzip.compress(json.dumps(patient("p3")).encode() + b"\n\n") + gzip.compress(b"\xef\xbb\xbf \n")
    two = other.holds("/two.ndjson.gz", zipped)
    packed = gzip.compress(json.dumps({"resourceType": "Organization", "id": "o", "name": "Trạm"}).encode())
    three = other.holds("/three", packed, **{"content-encoding": "gzip"})
    made = load(fhir, ("Patient", one), ("Patient", two), ("Organization", three))
    assert made.manifest["output"] == [
        {"type": "Patient", "inputUrl": one, "count": 2},
        {"type": "Patient", "inputUrl": two, "count": 1},
        {"type": "Organization", "inputUrl": three, "count": 1},
    ]
    assert made.manifest["error"] == []
    assert set(made.manifest) == {"transactionTime", "request", "requiresAccessToken", "output", "error"}
    for path in ("/Patient/p1", "/Patient/p2", "/Patient/p3", "/Organization/o"):
        assert fhir.get(path).status_code == 200
    assert list(files.folder(made.path.rpartition("/")[2]).iterdir()) == []  # what was fetched is not kept


def test_a_second_import_changes_nothing(fhir: Any, other: Server, stored_count: Any) -> None:
    url = other.holds("/again.ndjson", [patient("again"), {"resourceType": "Basic", "code": {"text": "no id"}}])
    load(fhir, ("", url))
    before = stored_count()
    made = load(fhir, ("", url))
    assert (made.manifest["output"], stored_count()) == ([{"inputUrl": url, "count": 2}], before)


def test_bad_lines_are_named_and_the_good_ones_kept(fhir: Any, other: Server) -> None:
    lines = [
        json.dumps(patient("good-1")),
        "{not json",
        json.dumps(patient("bad", birthDate="yesterday", flavour="sweet")),
        "",
        json.dumps({"resourceType": "Organization", "id": "wrong-type", "name": "x"}),
        '"text"',
        json.dumps(patient("x" * 65)),
        json.dumps(patient("good-2")),
    ]
    url = other.holds("/bad.ndjson", "\n".join(lines).encode())
    made = load(fhir, ("Patient", url))
    assert made.manifest["output"] == [{"type": "Patient", "inputUrl": url, "count": 2}]
    [error] = made.manifest["error"]
    assert (error["type"], error["inputUrl"], error["count"]) == ("OperationOutcome", url, 5)
    found = told(made)
    assert [text.partition(":")[0] for text, _ in found] == [
        *("line 2", "line 3", "line 3", "line 5", "line 6", "line 7"),
    ]
    assert {place for text, place in found if text.startswith("line 3")} == {"Patient.birthDate", "Patient.flavour"}
    assert found[3] == ("line 5: a Organization where the kick-off says Patient", "")
    assert found[5][1] == "Patient.id"
    for id_, status in (("good-1", 200), ("good-2", 200), ("bad", 404)):
        assert fhir.get(f"/Patient/{id_}").status_code == status
    assert fhir.get("/Organization/wrong-type").status_code == 404


def test_a_line_without_end_is_passed_over(fhir: Any, other: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "LINE_BYTES", 1000)
    long = json.dumps(patient("long", name=[{"text": "x" * 1000}])).encode()
    url = other.holds("/long.ndjson", b'{"resourceType":"Patient","id":"before"}\n' + long + b"\n" + long)
    made = load(fhir, ("Patient", url))
    assert made.manifest["output"][0]["count"] == 1
    assert told(made) == [(f"line {n}: is longer than 1000 bytes", "") for n in (2, 3)]


def test_a_bomb_is_let_go(fhir: Any, other: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "NO_LINE", 40_000_000)
    good = json.dumps(patient("before-the-bomb")).encode() + b"\n"
    url = other.holds("/bomb.gz", gzip.compress(good + bytes(100_000_000)))
    made = load(fhir, ("Patient", url))
    assert made.manifest["output"][0]["count"] == 1
    assert told(made) == [("after line 1: there is no end of a line in 40000000 bytes", "")]


def test_a_cut_off_gzip_is_kept_as_far_as_it_goes(fhir: Any, other: Server) -> None:
    noise = [patient(f"cut-{n}", name=[{"text": f"{n * 7919:x}"}]) for n in range(3000)]
    whole = gzip.compress(b"".join(json.dumps(each).encode() + b"\n" for each in noise))
    url = other.holds("/cut.gz", whole[: len(whole) * 2 // 3])
    made = load(fhir, ("Patient", url))
    kept = made.manifest["output"][0]["count"]
    assert 500 < kept < 3000
    assert told(made) == [(f"after line {kept}: the file is no whole gzip; what came before is kept", "")]
    assert fhir.get("/Patient?_id=cut-0&_summary=count").json()["total"] == 1


def test_files_that_cannot_be_had_are_named(fhir: Any, other: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUETINH_IMPORT_LIMIT", "1000")
    gone, broken = other.url + "/gone", other.holds("/broken", b"", 503)
    large = other.holds("/large", b"x" * 1001)
    good = other.holds("/good", [patient("despite-all")])
    made = load(fhir, *(("Patient", url) for url in (gone, broken, large, good)))
    assert [file["count"] for file in made.manifest["output"]] == [0, 0, 0, 1]
    assert [text for text, _ in told(made)] == [
        f"file: {gone} answers 404",
        f"file: {broken} answers 503",
        f"file: {large} is larger than 1000 bytes",
    ]
    assert other.asked.count((other.url[7:], "/broken")) == 3
    assert fhir.get("/Patient/despite-all").status_code == 200


def test_nothing_is_fetched_from_elsewhere(fhir: Any, other: Server, monkeypatch: pytest.MonkeyPatch, ask: Any) -> None:
    monkeypatch.setenv(fetching.SETTING, f"{other.url}/open/ https://files.example")
    before = ask("SELECT count(*) FROM record.bulk_job")
    port = other.http.server_port
    for url in (
        f"{other.url}/closed/x",
        f"{other.url}/open/../closed/x",
        f"{other.url}/open/%2e%2e/closed/x",
        f"{other.url}/opened",
        f"http://localhost:{port}/open/x",
        f"http://127.0.0.1:{port + 1}/open/x",
        f"http://127.0.0.1:{port}@files.example/open/x",
        f"http://files.example@127.0.0.1:{port}/open/x",
        f"https://127.0.0.1:{port}/open/x",
        "http://169.254.169.254/latest/meta-data",
        "https://files.example.attacker.example/x",
        "https://files.example:444/x",
        "http://files.example/x",
        "file:///etc/passwd",
        "ftp://files.example/x",
        f"http://[::1]:{port}/open/x",
        f"http://127.1:{port}/open/x",
        "https://files.example\\@127.0.0.1/x",
    ):
        refused = fhir.post("/$import", parameters(("Patient", url)), headers=ASYNC)
        assert refused.status_code == 403, url
        assert refused.json()["issue"][0]["expression"] == ["input.url"]
    monkeypatch.delenv(fetching.SETTING)
    assert fhir.post("/$import", parameters(("Patient", other.url)), headers=ASYNC).status_code == 403
    assert ask("SELECT count(*) FROM record.bulk_job") == before
    assert other.asked == []


def test_a_redirection_leads_nowhere_else(fhir: Any, other: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = Server()
    monkeypatch.setenv(fetching.SETTING, f"{other.url}/open")
    inner.holds("/secret", [patient("secret")])
    away = other.holds("/open/away", b"", 302, location=f"{inner.url}/secret")
    inside = other.holds("/open/inside", b"", 307, location="/closed")
    other.holds("/closed", [patient("secret")])
    round_ = other.holds("/open/round", b"", 302, location="/open/round")
    there = other.holds("/open/there", b"", 301, location="good")
    other.holds("/open/good", [patient("redirected")])
    made = load(fhir, *(("Patient", url) for url in (away, inside, round_, there)))
    assert [file["count"] for file in made.manifest["output"]] == [0, 0, 0, 1]
    nowhere = "leads to where this server does not fetch from (TUETINH_IMPORT_FROM)"
    assert [text for text, _ in told(made)] == [
        f"file: {away} {nowhere}",
        f"file: {inside} {nowhere}",
        f"file: {round_} redirects more than 5 times",
    ]
    assert inner.asked == []
    assert "/closed" not in [path for _, path in other.asked]
    assert fhir.get("/Patient/secret").status_code == 404
    inner.http.shutdown()
    inner.http.server_close()


def test_a_line_is_as_long_as_its_contents_make_it(fhir: Any, other: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "LINE_BYTES", 1_200_000)
    data = base64.b64encode(bytes(range(256)) * 20_000).decode()
    binary = {"resourceType": "Binary", "id": "long-line", "contentType": "a/b", "data": data}
    too_long = {"resourceType": "Basic", "id": "too-long", "code": {"text": "x" * 1_300_000}}
    url = other.holds("/long", [binary, too_long, patient("after-long")])
    made = load(fhir, ("", url))
    assert [text for text, _ in told(made)] == ["line 2: is longer than 1200000 bytes"]
    read = fhir.get("/Binary/long-line", headers={"accept": "application/fhir+json"})
    assert read.json()["data"] == data
    assert fhir.get("/Patient/after-long").status_code == 200


def test_plain_json_is_taken_as_well(fhir: Any, other: Server) -> None:
    url = other.holds("/plain", [patient("plain")])
    body = {
        "inputFormat": "application/fhir+ndjson",
        "inputSource": "https://other.example",
        "storageDetail": {"type": "https"},
        "input": [{"type": "Patient", "url": url}],
    }
    headers = ASYNC | {"content-type": "application/json"}
    made = ended(fhir, path_of(fhir.post("/$import", body, headers=headers)))
    assert made.manifest["output"] == [{"type": "Patient", "inputUrl": url, "count": 1}]
    wrong = fhir.post("/$import", body | {"flavour": "sweet"}, headers=headers)
    assert (wrong.status_code, wrong.json()["issue"][0]["expression"]) == (400, ["flavour"])


def test_a_manifest_is_followed(fhir: Any, other: Server) -> None:
    url = other.holds("/pulled", [patient("pulled")])
    elsewhere = "http://elsewhere.example/x"
    output = [{"type": "Patient", "url": url}, {"type": "Patient", "url": elsewhere}]
    manifest = other.holds("/manifest.json", json.dumps({"output": output, "error": []}).encode())
    static = [{"name": "exportUrl", "valueUrl": manifest}, {"name": "exportType", "valueCode": "static"}]
    made = ended(fhir, path_of(fhir.post("/$import", {"resourceType": "Parameters", "parameter": static})))
    assert [file["count"] for file in made.manifest["output"]] == [1, 0]
    assert len(told(made)) == 1
    none = other.holds("/none.json", b"[]")
    static[0]["valueUrl"] = none
    path = path_of(fhir.post("/$import", {"resourceType": "Parameters", "parameter": static}))
    with pytest.raises(AssertionError, match="what is at exportUrl is no manifest"):
        ended(fhir, path)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"name": "inputFormat", "valueCode": "text/csv"}, "inputFormat"),
        ({"name": "mode", "valueString": "Overwrite"}, "mode"),
        ({"name": "storageDetail", "part": [{"name": "type", "valueCode": "aws-s3"}]}, "storageDetail.type"),
        ({"name": "flavour", "valueString": "sweet"}, "flavour"),
        ({"name": "input", "part": [{"name": "type", "valueCode": "Patient"}]}, "input.url"),
        ({"name": "exportUrl", "valueUrl": "https://x.example"}, "input"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(fhir: Any, other: Server, change: Any, name: str) -> None:
    body = parameters(("Patient", other.url))
    body["parameter"] = [each for each in body["parameter"] if each["name"] != change["name"]] + [change]
    refused = fhir.post("/$import", body, headers=ASYNC)
    assert (refused.status_code, refused.json()["issue"][0]["expression"]) == (400, [name])


def test_scopes_bound_an_import(fhir: Any, other: Server, stored_count: Any) -> None:
    url = other.holds("/scoped", [patient("scoped")])
    before = stored_count()
    for who, status in (("a-stranger", 401), ("outsider", 403), ("reader", 403), ("lab-app", 403)):
        assert fhir.post("/$import", parameters(("Patient", url)), who, headers=ASYNC).status_code == status
    assert (other.asked, stored_count()) == ([], before)
    made = load(fhir, ("", url), who="lab-app")  # which may change Observations of the laboratory alone
    assert [file["count"] for file in made.manifest["output"]] == [0]
    assert told(made) == [
        ("line 1: Patient/scoped: update of Patient is not within the scopes of this account", ""),
    ]
    assert stored_count() == before
    assert fhir.get(made.path, "doctor").status_code == 404


def test_an_import_is_asked_for_by_post(fhir: Any) -> None:
    assert fhir.get("/$import").status_code == 405
