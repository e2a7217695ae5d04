"""Orders the people that a search brought up: the right person on top."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import pairwise

from tuetinh.commons.identity import words
from tuetinh.commons.identity.parsing import Typed

# What a typed word is worth by how it fits, in falling order.
SAME, TELEX, BEGUN, SLIPPED, PLACE, PLACE_SLIPPED, NOWHERE = 10.0, 9.0, 6.0, 4.0, 3.5, 1.5, -8.0
NEARBY_YEARS = 4


@dataclass(slots=True)
class Found:
    """A person brought up, in the order of the searched columns. score: of their numbers first, then of everything.

    slipped: only fits when something was mistyped.
    """

    id: str
    name: str
    birth: str
    gender: str
    number: str
    phone: str
    address: str
    commune: str
    facility: str
    seen: datetime | None
    updated: datetime
    score: float = 0.0
    slipped: bool = False


@lru_cache(maxsize=4096)
def _near(word: str) -> frozenset[str]:
    return frozenset(words.slips(word) | words.slips(words.untelex(word)))


def rank(people: Iterable[Found], typed: Typed, facility: str) -> list[Found]:
    """Score the people and return them best first."""
    asked = [(raw, words.fold(raw), words.untelex(words.fold(raw))) for raw in typed.words]
    out = []
    for person in people:
        person.score += _names(person, asked) + _birth(person, typed) + _nearness(person, facility)
        out.append(person)
    out.sort(key=lambda p: (-p.score, -(p.seen or p.updated).timestamp(), p.id))
    return out


def _names(person: Found, asked: list[tuple[str, str, str]]) -> float:
    """How well the typed words fit name and address; each word of the name counts once."""
    spoken = words.split(person.name)
    plain = [words.fold(word) for word in spoken]
    free = set(range(len(plain)))
    places: set[str] | None = None
    score, spots, lost = 0.0, [], []
    for raw, folded, meant in asked:
        best, spot = 0.0, -1
        for i in free:
            worth = _worth(raw, folded, meant, spoken[i], plain[i])
            if worth > best:
                best, spot = worth, i
        if spot < 0 or best <= SLIPPED:
            if places is None:
                places = set(words.place_words(person.address)) | words.PLACE_KINDS
            worth = _place_worth(folded, meant, places)
            if worth > best or (spot >= 0 and worth >= best):
                best, spot = worth, -1
        if spot >= 0:
            free.discard(spot)
            spots.append(spot)
        elif best <= 0:
            lost.append(folded)
            continue
        score += best
    score += _joined(lost, [plain[i] for i in sorted(free)])
    if len(spots) > 1 and spots == sorted(spots):
        score += 1.0
    if spots and not free:
        score += 3.0
    if plain and len(plain) - 1 in spots:
        score += 0.5  # people go by their given name, which stands last
    return score


def _worth(raw: str, folded: str, meant: str, spoken: str, plain: str) -> float:
    if plain == folded:
        if words.exact(raw) == words.exact(spoken):
            return SAME + 2
        return SAME if raw == folded else SAME - 1.5
    if plain == meant:
        return TELEX
    if plain.startswith(folded):
        return BEGUN + len(folded) / len(plain)
    return SLIPPED if plain in _near(folded) else 0.0


def _place_worth(folded: str, meant: str, places: set[str]) -> float:
    if folded in places or meant in places:
        return PLACE
    return PLACE_SLIPPED if not places.isdisjoint(_near(folded)) else 0.0


def _joined(lost: list[str], free: list[str]) -> float:
    """Two words typed as one fit if they are next to each other; what fits nowhere costs."""
    pairs = {a + b for a, b in pairwise(free)} | {b + a for a, b in pairwise(free)}
    return sum(2 * SLIPPED if word in pairs else NOWHERE for word in lost)


def _birth(person: Found, typed: Typed) -> float:
    lexemes = words.birth_lexemes(person.birth)
    score = 0.0
    for asked in [*typed.births, *([f"={typed.year}"] if typed.year else [])]:
        if asked in lexemes:
            score += 6.0 + len(asked) / 2
        elif any(
            len(own) == len(asked) and sum(a != b for a, b in zip(own, asked, strict=True)) <= 2 for own in lexemes
        ):
            score += 3.0
        elif person.number.endswith(asked[1:]) or person.phone.endswith(asked[1:]):
            score += 2.0
        else:
            score -= 4.0
    return score


def _nearness(person: Found, facility: str) -> float:
    return (1.5 if person.seen else 0.0) + (0.5 if facility and person.facility == facility else 0.0)
