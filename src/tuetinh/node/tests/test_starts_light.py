"""What serves pages and FHIR is loaded at the start; what few requests and machines need, by the first of these."""

from __future__ import annotations

import subprocess
import sys

# Libraries for pictures, sheets, papers, signatures, stores and analyses: each takes megabytes of every process.
HEAVY = {
    *("PIL", "asn1crypto", "authlib", "dicomanonymizer", "duckdb", "gdcm", "highdicom", "numpy", "obstore", "openpyxl"),
    *("pandas", "pi_heif", "pkcs11", "pyarrow", "pycdlib", "pydicom", "pymediainfo", "pynetdicom", "requests", "scipy"),
    *("onnxruntime", "segno", "signxml", "splink", "typst", "zxingcpp"),
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
import tuetinh.commons.messages.live, tuetinh.record.door  # pages and FHIR
import tuetinh.care.lab.api, tuetinh.care.imaging.dimse.listening  # listeners
import tuetinh.node.access_log, tuetinh.node.contents, tuetinh.record.search.reindex  # background work
import tuetinh.node.backup.service, tuetinh.record.subscriptions.service
print(*sys.modules)
"""


def test_a_process_of_any_role_starts_without_what_few_need() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    loaded = set(told.stdout.split())
    assert "tuetinh.care.imaging.urls" in loaded
    assert sorted(loaded & HEAVY) == []
