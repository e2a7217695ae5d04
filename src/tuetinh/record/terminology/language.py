"""Which language a display is asked in (BCP 47 ranges with weights, as in Accept-Language)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True)
class Languages:
    """The languages asked for, best first; empty when none was asked for.

    `fallback` says whether a display in another language will do when there is none in these.
    """

    text: str = ""
    tags: tuple[str, ...] = ()
    fallback: bool = True

    def __bool__(self) -> bool:
        return bool(self.tags)

    def rank(self, language: str) -> int | None:
        """How well a language fits (0 best), None when it does not."""
        language = language.lower()
        for place, tag in enumerate(self.tags):
            if language == tag:
                return 2 * place
            if language and (language.startswith(f"{tag}-") or tag.startswith(f"{language}-")):
                return 2 * place + 1
        return None


def parse(text: str) -> Languages:
    """Read `de, en;q=0.5, *;q=0`. ValueError when it is no list of language ranges."""
    weighed: list[tuple[float, int, str]] = []
    fallback = True
    for place, part in enumerate(text.split(",")):
        tag, _, weight = part.strip().partition(";")
        if not _RANGE.fullmatch(tag.strip()):
            raise ValueError(text)
        quality = float(weight.strip().removeprefix("q=") or 1)
        if tag.strip() == "*":
            fallback = quality > 0
        elif quality > 0:
            weighed.append((-quality, place, tag.strip().lower()))
    return Languages(text, tuple(tag for _, _, tag in sorted(weighed)), fallback)
