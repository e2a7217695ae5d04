"""How well a model tells pictures apart: ROC, threshold, subgroups, of a folder whose truth is known."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from tuetinh.care.imaging.ai import scoring
from tuetinh.care.imaging.ai.model import Model

BATCH: Final = 32  # pictures of one run
SMALL: Final = 10  # cases of a kind, below which a subgroup tells little
NORMAL: Final = 1.959964  # of 95 %
LINES: Final = 12  # ROC points that are printed


class BadCases(Exception):
    """The folder cannot be used; names the place."""


@dataclass(frozen=True, slots=True)
class Case:
    """One picture with its truth. groups: what further columns say of it."""

    file: str
    truth: bool
    score: float = 0.0
    groups: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rates:
    """What a threshold does. Shares are None where there is nothing to divide by."""

    threshold: float
    right: int  # found, and there
    false: int  # found, and not there
    missed: int
    clear: int

    @property
    def sensitivity(self) -> float | None:
        """Of those that have it, how many are found."""
        return _share(self.right, self.missed)

    @property
    def specificity(self) -> float | None:
        """Of those that do not have it, how many are left."""
        return _share(self.clear, self.false)

    @property
    def ppv(self) -> float | None:
        """Of those that are found, how many have it."""
        return _share(self.right, self.false)

    @property
    def npv(self) -> float | None:
        """Of those that are left, how many do not have it."""
        return _share(self.clear, self.missed)


def _share(part: int, rest: int) -> float | None:
    return part / (part + rest) if part + rest else None


def cases(model: Model, file: bytes, folder: Path) -> list[Case]:
    """The cases of a folder with their scores. Raises BadCases, running.Failed."""
    listed = list(_listed(folder))
    found: list[Case] = []
    for start in range(0, len(listed), BATCH):
        some = listed[start : start + BATCH]
        scored = scoring.look(model, file, [_picture(model, folder, one.file) for one in some])
        found += [Case(a.file, a.truth, b.score, a.groups) for a, b in zip(some, scored, strict=True)]
    return found


def _listed(folder: Path) -> Iterator[Case]:
    try:
        with (folder / "truth.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise BadCases(f"{folder / 'truth.csv'}: cannot be read") from error
    if not rows or not {"file", "truth"} <= set(rows[0]):
        raise BadCases("truth.csv: needs the columns file and truth, and a row")
    for number, row in enumerate(rows, start=2):
        if row["truth"] not in ("0", "1"):
            raise BadCases(f"truth.csv, line {number}: truth is 0 or 1")
        groups = {key: row[key] or "" for key in row if key and key not in ("file", "truth")}
        yield Case(row["file"] or "", row["truth"] == "1", groups=groups)


def _picture(model: Model, folder: Path, name: str) -> NDArray[np.uint8]:
    """A picture as people see it: of a DICOM file the first frame."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadCases(f"{name}: not in the folder")
    try:
        with path.open("rb") as file:
            is_dicom = file.read(132)[128:] == b"DICM"
        return _drawn(model, path) if is_dicom else np.asarray(Image.open(path).convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise BadCases(f"{name}: cannot be read") from error
    except Exception as error:  # decoders raise whatever the bytes lead them to
        raise BadCases(f"{name}: {type(error).__name__}") from error


def _drawn(model: Model, path: Path) -> NDArray[np.uint8]:
    import tuetinh.care.imaging.library  # noqa: F401

    from pydicom.pixels import pixel_array

    from tuetinh.care.imaging.archive.lenient import dcmread
    from tuetinh.care.imaging.dicomweb.frames import Drawing, for_eyes

    dataset = dcmread(path)
    return for_eyes(dataset, pixel_array(dataset, index=0), Drawing(model.window))


def auc(cases: Sequence[Case]) -> tuple[float, float, float] | None:
    """The area under the ROC with its 95 % interval (DeLong 1988); None without cases of both kinds."""
    from scipy.stats import rankdata

    truth = np.array([one.truth for one in cases], bool)
    scores = np.array([one.score for one in cases])
    m, n = int(truth.sum()), int((~truth).sum())
    if not m or not n:
        return None
    own = (rankdata(scores[truth]), rankdata(scores[~truth]))
    every = rankdata(scores)
    area = float((every[truth].sum() / m - (m + 1) / 2) / n)
    v10, v01 = (every[truth] - own[0]) / n, 1 - (every[~truth] - own[1]) / m
    variance = (v10.var(ddof=1) / m if m > 1 else 0) + (v01.var(ddof=1) / n if n > 1 else 0)
    half = NORMAL * float(np.sqrt(variance))
    return area, max(0.0, area - half), min(1.0, area + half)


def rates(cases: Sequence[Case], threshold: float) -> Rates:
    """What a threshold does."""
    counts = [[0, 0], [0, 0]]
    for one in cases:
        counts[one.truth][one.score >= threshold] += 1
    return Rates(threshold, counts[1][1], counts[0][1], counts[1][0], counts[0][0])


def roc(cases: Sequence[Case]) -> list[Rates]:
    """What every threshold that makes a difference does, the strictest first."""
    truth = np.array([one.truth for one in cases], bool)
    thresholds, places = np.unique([-one.score for one in cases], return_inverse=True)
    every = np.cumsum(np.bincount(places, minlength=len(thresholds)))
    right = np.cumsum(np.bincount(places[truth], minlength=len(thresholds)))
    positive, negative = int(truth.sum()), int((~truth).sum())
    found = zip((-thresholds).tolist(), right.tolist(), (every - right).tolist(), strict=True)
    strictest = Rates(float("inf"), 0, 0, positive, negative)
    return [strictest, *(Rates(at, r, f, positive - r, negative - f) for at, r, f in found)]


def youden(cases: Sequence[Case]) -> Rates:
    """The threshold where sensitivity and specificity together are most."""
    return max(roc(cases)[1:], key=lambda one: (one.sensitivity or 0) + (one.specificity or 0))


def told(model: Model, cases: Sequence[Case]) -> Iterator[str]:
    """The evaluation in lines."""
    yield f"Model: {model.name} {model.version} ({model.maker}), finding: {model.finding.en}"
    yield from _about(model, cases)
    yield "ROC (threshold: 1-specificity, sensitivity):"
    points = roc(cases)
    step = max(1, -(-len(points) // LINES))
    for one in [*points[:-1:step], points[-1]]:
        yield f"  {one.threshold:.4f}: {_percent(_other(one.specificity))}, {_percent(one.sensitivity)}"
    for column in cases[0].groups:
        for value in sorted({one.groups.get(column, "") for one in cases}):
            some = [one for one in cases if one.groups.get(column, "") == value]
            yield f"Subgroup {column} = {value or '(empty)'}"
            yield from _about(model, some)


def _other(share: float | None) -> float | None:
    return None if share is None else 1 - share


def _about(model: Model, cases: Sequence[Case]) -> Iterator[str]:
    positive = sum(one.truth for one in cases)
    yield f"  Pictures: {len(cases)}, with the finding: {positive}, without: {len(cases) - positive}"
    if min(positive, len(cases) - positive) < SMALL:
        yield f"  Warning: fewer than {SMALL} pictures of a kind; these numbers tell little."
    area = auc(cases)
    yield f"  AUC: {_area(area)}" if area else "  AUC: -"
    yield f"  At the model's threshold {_rates(rates(cases, model.threshold))}"
    if area:
        yield f"  At the Youden threshold {_rates(youden(cases))}"


def _area(area: tuple[float, float, float]) -> str:
    value, low, high = area
    interval = f"95 % CI {low:.3f}-{high:.3f}, DeLong" if low < high else "no interval: no scores overlap"
    return f"{value:.3f} ({interval})"


def _rates(one: Rates) -> str:
    shares = (("sensitivity", one.sensitivity), ("specificity", one.specificity), ("PPV", one.ppv), ("NPV", one.npv))
    return f"{one.threshold:.4f}: " + ", ".join(f"{name} {_percent(share)}" for name, share in shares)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.1f} %"


def plot(model: Model, cases: Sequence[Case]) -> str:
    """The ROC as SVG."""
    points = " ".join(
        f"{40 + 400 * (_other(one.specificity) or 0):.1f},{440 - 400 * (one.sensitivity or 0):.1f}"
        for one in roc(cases)
    )
    area = auc(cases)
    title = f"{model.name} {model.version}: AUC {area[0]:.3f}" if area else f"{model.name} {model.version}"
    at = rates(cases, model.threshold)
    x, y = 40 + 400 * (_other(at.specificity) or 0), 440 - 400 * (at.sensitivity or 0)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 480" font-family="sans-serif" font-size="14">'
        f'<title>{title}</title><rect width="480" height="480" fill="#fff"/>'
        '<path d="M40 40V440H440" fill="none" stroke="#333"/>'
        '<path d="M40 440L440 40" stroke="#999" stroke-dasharray="4"/>'
        f'<polyline points="{points}" fill="none" stroke="#206bc4" stroke-width="2"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="#d63939"/>'
        f'<text x="40" y="28">{title}</text><text x="240" y="468" text-anchor="middle">1 - specificity</text>'
        '<text x="20" y="240" text-anchor="middle" transform="rotate(-90 20 240)">sensitivity</text></svg>\n'
    )
