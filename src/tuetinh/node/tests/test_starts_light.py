"""What serves pages and FHIR is loaded at the start; what few requests need is loaded by the first of these."""

from __future__ import annotations

import subprocess
import sys

# Libraries for pictures, sheets, papers, signatures, stores and analyses: each takes megabytes of every process.
HEAVY = {
    *("PIL", "asn1crypto", "authlib", "dicomanonymizer", "duckdb", "gdcm", "highdicom", "numpy", "obstore", "openpyxl"),
    *("pandas", "pi_heif", "pkcs11", "pyarrow", "pycdlib", "pydicom", "pymediainfo", "pynetdicom", "requests", "scipy"),
    *("segno", "signxml", "splink", "typst", "zxingcpp"),
}
PROGRAM = """
import sys
import django
django.setup()
from django.urls import get_resolver
from tuetinh.node.asgi import Application
from tuetinh.node.serve import ROLES
def load(patterns):
    for one in patterns:
        load(getattr(one, "url_patterns", []))
load(get_resolver().url_patterns)
Application(frozenset(ROLES))
import tuetinh.care.imaging.api, tuetinh.commons.messages.live, tuetinh.record.door
print(*sys.modules)
"""


def test_a_web_process_starts_without_what_few_requests_need() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    loaded = set(told.stdout.split())
    assert "tuetinh.care.imaging.urls" in loaded
    assert sorted(loaded & HEAVY) == []
