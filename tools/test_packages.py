"""Install the Debian packages and FHIR clients that the tests use as peers, or say exactly what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import npm
from setup import install_debian

PROGRAMS = {
    "chromium": "chromium",
    "pdftotext": "poppler-utils",
    "xmllint": "libxml2-utils",
    "openssl": "openssl",
    "nc": "netcat-openbsd",
    "socat": "socat",
    "storescu": "dcmtk",
    "dciodvfy": "dicom3tools",
    "Orthanc": "orthanc",
    "softhsm2-util": "softhsm2",
    "pkcs11-tool": "opensc",
    "xmlsec1": "xmlsec1",
}


def main() -> None:
    missing = {package for program, package in PROGRAMS.items() if not shutil.which(program)}
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        missing.add("postgresql")
    if missing:
        install_debian(sorted(missing), "run all tests")
    npm.install(Path(__file__).parent / "clients")


if __name__ == "__main__":
    main()
