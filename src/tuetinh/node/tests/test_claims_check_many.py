"""Many claim files are checked in processes of their own: all of them, in their order, a large one here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tuetinh.node.claims import check

GOLDEN = Path(check.__file__).parents[2] / "care/insurance/tests/golden/claim_3176.xml"


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    """Seven files, of which one is broken, one is not there and one is large."""
    files = [tmp_path / f"{n}.xml" for n in range(7)]
    for file in files:
        file.write_bytes(GOLDEN.read_bytes())
    files[1].write_bytes(b"<GIAMDINHHS>")
    files[4].write_bytes(GOLDEN.read_bytes() + b" " * check.SMALL)
    files[5].unlink()
    return [str(file) for file in files]


def test_what_is_found_is_the_same_in_any_number_of_processes(names: list[str], tmp_path: Path) -> None:
    script = (
        "import json, sys\n"
        "from tuetinh.node.claims import check\n"
        "if __name__ == '__main__':\n"
        "    check.load(alone=True)\n"
        "    check.MANY, check.PART = 3, 2\n"
        "    for processes in (1, 2):\n"
        "        print(json.dumps(list(check.checked(sys.argv[1:], processes=processes, alone=True))))\n"
    )
    (tmp_path / "both.py").write_text(script)
    done = subprocess.run([sys.executable, tmp_path / "both.py", *names], capture_output=True, check=True, timeout=120)
    one, two = map(json.loads, done.stdout.splitlines())
    assert one == two
    assert [line["file"] for line in one] == names
    assert [line["ma_lk"] != "" for line in one] == [True, False, True, True, True, False, True]


def test_pipes_and_large_files_are_read_by_the_process_that_was_asked(names: list[str]) -> None:
    assert [check._is_small(name) for name in [names[0], names[4], names[5], "-", "/dev/null"]] == [
        True, False, True, False, False,
    ]  # fmt: skip
