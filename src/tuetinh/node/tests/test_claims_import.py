"""`tuetinh claims import` from outside: killed in the middle it goes on, and what another node builds says the same."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from datetime import date
from pathlib import Path

import psycopg
import pytest

from tuetinh.care.insurance.rules.files import claims_in
from tuetinh.care.insurance.wire_xml3176 import write
from tuetinh.node.tests.conftest import clean_environment, command_line, copied, run
from tuetinh.node.tests.test_export import exported

pytestmark = pytest.mark.long
GOLDEN = Path(__file__).parents[2] / "care" / "insurance" / "tests" / "golden" / "claim_3176.xml"
CLAIMS = 160  # a transaction takes 40


def lines(output: str) -> list[dict[str, object]]:
    """The report."""
    return [json.loads(line) for line in output.splitlines()]


def write_many(path: Path) -> None:
    """A file of many claims, each of somebody else."""
    with GOLDEN.open("rb") as file:
        (golden,) = claims_in(file)
    pieces = []
    for number in range(CLAIMS):
        tables = {name: [row | {"MA_LK": f"L{number}"} for row in rows] for name, rows in golden.tables.items()}
        tables["XML1"][0].update(MA_BN=f"B{number}", SO_CCCD="", MA_THE_BHYT=f"GD412{number + 1:010}")
        head, rest = write(tables, facility="12001", made=date(2026, 11, 2), by="3176").split(b"<HOSO>")
        body, tail = rest.split(b"</HOSO>")
        pieces.append(b"<HOSO>" + body + b"</HOSO>")
    path.write_bytes(head.replace(b"<SOLUONGHOSO>1<", b"<SOLUONGHOSO>%d<" % CLAIMS) + b"".join(pieces) + tail)


def stored(data: Path) -> int:
    """How many claims are stored by now."""
    try:
        _, _, _, port, host, *_ = (data / "postgres" / "postmaster.pid").read_text().splitlines()
        with psycopg.connect(host=host, port=port, user="postgres", dbname="tuetinh") as conn:
            row = conn.execute("SELECT count(*) FROM insurance_importedclaim").fetchone()
            return int(row[0]) if row else 0
    except (OSError, ValueError, psycopg.Error):
        return 0


def test_record_and_file_and_another_record_say_the_same(bare: Path, folder: Path) -> None:
    taken = run(copied(bare, folder / "one"), "claims", "import", str(GOLDEN))
    assert taken.returncode == 0, taken.stderr
    assert [(line["place"], line["state"], line["findings"]) for line in lines(taken.stdout)] == [(1, "stored", [])]
    assert run(folder / "one", "claims", "build", "--out", str(folder / "first")).returncode == 0
    (first,) = (folder / "first").glob("*.xml")
    assert run(copied(bare, folder / "two"), "claims", "import", str(folder / "first")).returncode == 0
    assert run(folder / "two", "claims", "build", "--out", str(folder / "second")).returncode == 0
    (second,) = (folder / "second").glob("*.xml")
    assert second.read_bytes() == first.read_bytes()


def test_killed_in_the_middle_it_goes_on_without_doubles(bare: Path, folder: Path) -> None:
    path, data = folder / "claims.xml", copied(bare, folder / "node")
    write_many(path)
    command = command_line(data, "claims", "import", str(path), "--processes", "1")
    process = subprocess.Popen(command, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not stored(data) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGSTOP)  # here it is killed
    there = stored(data)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 < there < CLAIMS
    rest = run(data, "claims", "import", str(path), "--processes", "1", timeout=600)
    assert rest.returncode == 0, rest.stderr
    found = [(line["place"], line["state"]) for line in lines(rest.stdout)]
    assert found == [(number, "stored") for number in range(1, CLAIMS + 1)]
    assert run(data, "export", str(folder / "out")).returncode == 0
    names = [name.partition("/")[0] for name in exported(folder / "out")]
    counts = {type_: names.count(type_) for type_ in ("Encounter", "Patient", "ChargeItem", "Provenance")}
    assert counts == {"Encounter": CLAIMS, "Patient": CLAIMS, "ChargeItem": CLAIMS * 3, "Provenance": CLAIMS}
