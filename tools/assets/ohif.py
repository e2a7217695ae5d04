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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import npm

PACKAGE = "@ohif/app@3.13.2"
SHA = "sha512-WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="
WANTED = re.compile(r"package/dist/([\w-]+\.bundle\.\w+\.js|[\w.]+\.(?:css|wasm|woff2)|assets/images/[\w-]+\.png)")
MODE = "@ohif/mode-basic"  # the others would all be loaded, for nothing, before the first picture
# In the application's own script: what is there, what shall be there. Each is there exactly once.
CHANGES = (
    # The language is the page's, and nothing is kept of it in the browser.
    (
        "order: ['querystring', 'cookie', 'localStorage', 'navigator', 'htmlTag', 'path', 'subdomain']",
        "order: ['htmlTag']",
    ),
    ("caches: ['localStorage', 'cookie']", "caches: []"),
    # Its own Vietnamese has a tenth of the words: the page brings the others.
    ("resources: src_locales", "resources: { ...src_locales, vi: window.viewerWords || src_locales.vi }"),
)


def build(target: Path, modules: Path, public: str) -> Path:
    """Write the viewer to `target/ohif/DIGEST/`, a name that changes whenever anything in it may; returns that folder.

    modules: where npm has unpacked esbuild. public: the address of `target`. Raises ValueError when the package is
    not what this program was written for.
    """
    digest = hashlib.sha256(SHA.encode() + Path(__file__).read_bytes()).hexdigest()[:12]
    folder = target / "ohif" / digest
    address = f"{public}ohif/{digest}/"
    for name, data in _files(npm.tarball(PACKAGE, SHA, modules / ".tarballs")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_changed(name, data, address))
    scripts = [str(path) for path in folder.glob("*.js")]
    options = ("--minify", "--log-level=error", "--target=chrome100,firefox100,safari15", "--allow-overwrite")
    npm.execute(modules.parent, "esbuild", *scripts, *options, f"--outdir={folder}")
    return folder


def _files(tarball: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(tarball) as archive:
        for member in archive:
            match = WANTED.fullmatch(member.name)
            if match and (file := archive.extractfile(member)):
                yield match[1], file.read()


def _changed(name: str, data: bytes, address: str) -> bytes:
    """A file as it is served at `address`."""
    if name.endswith(".css"):
        return data.replace(b"url(/", b"url(")
    if not name.endswith(".js"):
        return data
    text = data.decode().replace('__webpack_require__.p = "/"', f'__webpack_require__.p = "{address}"')
    if name.startswith("app.bundle."):
        for there, wanted in CHANGES:
            if text.count(there) != 1:
                message = f"{PACKAGE} is not as it is known: {there}"
                raise ValueError(message)
            text = text.replace(there, wanted)
        text = re.sub(rf'pluginImports_modes\.push\("(?!{MODE}")[^"]+"\);', "", text)
    return text.encode()


def licence(modules: Path) -> str:
    """What the licence file of the assets says of the viewer; the scripts keep the notices of what is in them."""
    with tarfile.open(npm.tarball(PACKAGE, SHA, modules / ".tarballs")) as archive:
        return f"\n==== {PACKAGE} (MIT)\n{archive.extractfile('package/LICENSE').read().decode().strip()}\n"  # type: ignore[union-attr]
