"""What a model's numbers mean: how a picture goes in, the score, what is found, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuetinh.care.imaging.ai import running
from tuetinh.care.imaging.ai.model import Model, size_for
from tuetinh.care.imaging.models import Instance

BOXES = 50  # of a picture


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame of an object of the archive, as people see it."""

    instance: Instance
    frame: int
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Scored:
    """What a model says of a picture. mask: its regions, rows × columns of the picture; none of a classification.

    boxes: of the regions, left, top, right and bottom as parts of the picture.
    """

    score: float
    mask: NDArray[np.uint8] | None = None
    boxes: tuple[tuple[float, float, float, float], ...] = ()


def look(
    model: Model, file: bytes, pictures: Sequence[NDArray[np.uint8]], limits: running.Limits = running.LIMITS
) -> list[Scored]:
    """Let a model look at pictures, rows × columns (× 3) each. Raises running.Failed."""
    found = running.run(file, [fitted(model, one) for one in pictures], model.mean, model.std, limits)
    return [_scored(model, out, one.shape[:2]) for out, one in zip(found, pictures, strict=True)]


def fitted(model: Model, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture in the size and the channels of a model."""
    size = size_for(model, *picture.shape[:2])
    image = Image.fromarray(picture).convert("RGB" if model.channels == 3 else "L")
    made = np.asarray(image.resize((size.columns, size.rows), Image.Resampling.BILINEAR))
    return made if made.ndim == 3 else made[:, :, None]


def _scored(model: Model, out: NDArray[np.float32], shape: Sequence[int]) -> Scored:
    if model.kind == "classification":
        return Scored(_class(model, out))
    return _regions(model, out, shape)


def _class(model: Model, out: NDArray[np.float32]) -> float:
    values = out.reshape(-1)
    if out.ndim > 2 or model.channel >= values.size:
        raise running.Failed("output", str(out.shape))
    return _probability(model, values.astype(np.float64)[:, None, None], model.channel).item()


def _probability(model: Model, values: NDArray[np.float64], channel: int) -> NDArray[np.float64]:
    """One channel of channels × rows × columns as numbers from 0 to 1."""
    if model.activation == "softmax":
        raised = np.exp(values - values.max(axis=0))
        found = raised[channel] / raised.sum(axis=0)
    else:
        found = values[channel]
        if model.activation == "sigmoid":
            found = 1 / (1 + np.exp(-np.clip(found, -500, 500)))
    if found.min() < -1e-3 or found.max() > 1 + 1e-3:
        raise running.Failed("range", f"{found.min():.3g}–{found.max():.3g}")
    return np.clip(found, 0, 1)


def _regions(model: Model, out: NDArray[np.float32], shape: Sequence[int]) -> Scored:
    from scipy import ndimage

    if out.ndim != 4 or out.shape[0] != 1 or model.channel >= out.shape[1]:
        raise running.Failed("output", str(out.shape))
    found = _probability(model, out[0].astype(np.float64), model.channel)
    labelled, count = ndimage.label(found >= model.pixel)
    slices = ndimage.find_objects(labelled)
    areas = np.bincount(labelled.ravel(), minlength=count + 1)
    kept = [n for n in range(1, count + 1) if areas[n] >= model.least and _aspect(slices[n - 1]) >= model.aspect]
    means = ndimage.mean(found, labelled, kept) if kept else []
    mask = np.isin(labelled, kept).astype(np.uint8)
    height, width = found.shape
    boxes = [
        (across.start / width, down.start / height, across.stop / width, down.stop / height)
        for down, across in (slices[number - 1] for number in kept[:BOXES])
    ]
    whole = Image.fromarray(mask * 255).resize((shape[1], shape[0]), Image.Resampling.NEAREST)
    return Scored(float(max(means, default=0)), (np.asarray(whole) > 0).astype(np.uint8), tuple(boxes))


def _aspect(sides: tuple[slice, slice]) -> float:
    """How many times wider than high a region is."""
    down, across = sides
    return float((across.stop - across.start) / (down.stop - down.start))
