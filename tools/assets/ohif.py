"""OHIF, the viewer of pictures, out of its package: what a page of ours needs of it, made small.

The package holds the built viewer as it stands at the root of a host, unminified, beside much that is not used here:
a model of 136 MB that outlines organs, whole-slide microscopy, a service worker.
"""

from __future__ import annotations

import hashlib
import re
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import npm

PACKAGE = "@ohif/app@3.13.2"
SHA = "sha512-WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="
WANTED = re.compile(r"package/dist/([\w-]+\.bundle\.\w+\.js|[\w.]+\.(?:css|wasm|woff2)|assets/images/[\w-]+\.png)")
BROWSERS = "chrome100,firefox100,safari15"
ROOT = '__webpack_require__.p = "/"'  # whence scripts and workers fetch more of their like
SERVED = '__webpack_require__.p = "{address}"'
MODE = "@ohif/mode-basic"  # the others would all be loaded, for nothing, before the first picture
# dcmjs and cornerstone read regions by way of ndarray, which makes functions of text: that the page does not allow.
# Of its tables they use these two functions.
TABLES = (
    "function wrappedNDArrayCtor(data, shape, stride, offset) {",
    """function wrappedNDArrayCtor(data, shape, stride, offset) {
  if (shape?.length === 2 && stride === undefined && offset === undefined) {
    const at = (i, j) => i * shape[1] + j;
    return { data, shape, get: (i, j) => data[at(i, j)], set: (i, j, value) => { data[at(i, j)] = value; } };
  }""",
)
# By script: what is there, what shall be there. Each is there exactly once.
CHANGES = {
    "app": (
        (ROOT, SERVED),
        # The language is the page's, and nothing is kept of it in the browser.
        (
            "order: ['querystring', 'cookie', 'localStorage', 'navigator', 'htmlTag', 'path', 'subdomain']",
            "order: ['htmlTag']",
        ),
        ("caches: ['localStorage', 'cookie']", "caches: []"),
        # Its own Vietnamese has a tenth of the words: the page brings the others.
        ("resources: src_locales", "resources: { ...src_locales, vi: window.viewerWords || src_locales.vi }"),
        TABLES,
    ),
    # A segmentation of pictures that lie nowhere in space (ultrasound, X-ray) tells no orientation: it lies as they do.
    "9383": (
        TABLES,
        (
            "  coerceIop(multiframe.SharedFunctionalGroupsSequence);",
            """  const everywhere = multiframe.SharedFunctionalGroupsSequence ||= {};
  if (![everywhere, ...multiframe.PerFrameFunctionalGroupsSequence].some((one) => one?.PlaneOrientationSequence)) {
    everywhere.PlaneOrientationSequence = { ImageOrientationPatient: [1, 0, 0, 0, 1, 0] };
  }
  coerceIop(everywhere);""",
        ),
    ),
    # Nor has one a spacing; without it the whole viewer ended.
    "899": (
        (
            "Array.isArray(PixelMeasuresSequence) ? PixelMeasuresSequence[0] : PixelMeasuresSequence;",
            "[PixelMeasuresSequence].flat()[0] || {};",
        ),
        ('"Loading SEG..."', '"SEG…"'),  # in every language
    ),
    # Of a series with several it showed the last alone. What draws without WebGL draws none, and ended.
    "781": (
        (
            "_getDisplaySetsFromSeries(instances, servicesManager, extensionManager);",
            """window.config.useCPURendering ? [] :
      instances.flatMap((one) => _getDisplaySetsFromSeries([one], servicesManager, extensionManager) || []);""",
        ),
        # What it says only in English, in the words of the page.
        ("title: 'DICOM SEG import'", "title: window.viewerSays.regions"),
        (
            "message: 'RecommendedDisplayCIELabValue not found for one or more segments. "
            "The default color was used instead.'",
            "message: window.viewerSays.noColours",
        ),
    ),
}


# Parts that the mode always loads, one after the other; the page fetches their scripts at once.
PARTS = (
    *("@ohif/extension-default", "@ohif/extension-cornerstone", "@ohif/extension-cornerstone-dicom-sr"),
    *("@ohif/extension-cornerstone-dicom-seg", "@ohif/extension-cornerstone-dicom-pmap", "@ohif/extension-dicom-pdf"),
    *("@ohif/extension-cornerstone-dicom-rt", "@ohif/extension-dicom-video", MODE),
)


@dataclass(frozen=True)
class Built:
    """The viewer as it was built. script: the first one; soon: those that it fetches before the first picture."""

    folder: Path
    script: str
    soon: list[str]


def fetch(modules: Path) -> Path:
    """The package's tarball. modules: the folder into which npm unpacks."""
    return npm.tarball(PACKAGE, SHA, modules / ".tarballs")


def build(package: Path, target: Path, public: str, modules: Path) -> Built:
    """Write the viewer to `target/ohif/DIGEST/`, a name that changes whenever anything in it may.

    public: the address of `target`. modules: where npm has unpacked esbuild. Raises ValueError when the package is not
    what this program was written for.
    """
    digest = hashlib.sha256(SHA.encode() + Path(__file__).read_bytes()).hexdigest()[:12]
    folder = target / "ohif" / digest
    names = set()
    for name, data in _files(package):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_changed(name, data, f"{public}ohif/{digest}/"))
        names.add(name.partition(".bundle.")[0])
    if missing := CHANGES.keys() - names:
        message = f"{PACKAGE} is not as it is known: no script {', '.join(sorted(missing))}"
        raise ValueError(message)
    (script,) = folder.glob("app.bundle.*.js")
    soon = _soon(folder, script.read_text(encoding="utf-8"))
    scripts = [str(path) for path in folder.glob("*.js")]
    options = ("--minify", "--log-level=error", f"--target={BROWSERS}", "--allow-overwrite", f"--outdir={folder}")
    npm.execute(modules.parent, "esbuild", *scripts, *options)
    return Built(folder, script.name, soon)


def licence(package: Path) -> str:
    """What the licence file of the assets says of the viewer; its scripts keep the notices of what is in them."""
    with tarfile.open(package) as archive:
        text = archive.extractfile("package/LICENSE").read().decode()  # type: ignore[union-attr]
    return f"\n==== {PACKAGE} (MIT)\n{text.strip()}\n"


def _files(package: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(package) as archive:
        for member in archive:
            match = WANTED.fullmatch(member.name)
            if match and (file := archive.extractfile(member)):
                yield match[1], file.read()


def _soon(folder: Path, script: str) -> list[str]:
    """The scripts of `PARTS`, by the numbers under which the application's own script loads them."""
    loads = [re.search(rf'if \(module === "{part}"\) \{{\n(.*)', script) for part in PARTS]
    numbers = dict.fromkeys(n for line in loads if line for n in re.findall(r"\.e\((?:/\*.*?\*/ )?(\d+)\)", line[1]))
    return [path.name for number in numbers for path in folder.glob(f"{number}.bundle.*.js")]


def _changed(name: str, data: bytes, address: str) -> bytes:
    """A file as it is served below `address`."""
    if name.endswith(".css"):
        return data.replace(b"url(/", b"url(")
    if not name.endswith(".js"):
        return data
    text = data.decode()
    for there, wanted in CHANGES.get(name.partition(".bundle.")[0], ()):
        if text.count(there) != 1:
            message = f"{PACKAGE} is not as it is known: {there}"
            raise ValueError(message)
        text = text.replace(there, wanted)
    text = text.replace(ROOT, SERVED).replace(SERVED, SERVED.format(address=address))
    if not name.startswith("app.bundle."):
        return text.encode()
    return re.sub(rf'pluginImports_modes\.push\("(?!{MODE}")[^"]+"\);', "", text).encode()
