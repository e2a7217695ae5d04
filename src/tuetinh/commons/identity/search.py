"""Finds people by any scrap of what is known of them.

Candidates come from the index in stages, the likeliest reading first, each stage only while the page is not full: all
words in the name; the last word begun; words of the address; words begun; one slip. What is too vague for the index (a
bare `Nguyễn` among a million) is answered from the people seen last. `ranking` then orders the candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from tuetinh.commons.identity import words
from tuetinh.commons.identity.parsing import Typed
from tuetinh.commons.identity.ranking import Found, rank
from tuetinh.commons.identity.terms import Condition, Shares, every, some, together
from tuetinh.record.steps import Query, Step

CANDIDATES = 300  # ranked in Python
MATCHES = 3000  # looked at by PostgreSQL to choose the candidates
VAGUE = 25_000  # expected matches above which the index is not asked
RECENT = 4000  # people looked at instead
PREFIXES = 40
COLUMNS = "p.patient, p.name, p.birth, p.gender, p.number, p.phone, p.address, p.commune, p.facility"

_MATCHING = f"""
SELECT {COLUMNS}, s.at, p.updated FROM (
  SELECT * FROM identity_person WHERE keys @@ %s::tsquery AND active LIMIT {MATCHES}
) p LEFT JOIN identity_seen s ON s.facility = %s AND s.patient = p.patient
ORDER BY (lower(p.name) = %s) DESC, s.at DESC NULLS LAST, (p.facility = %s) DESC, p.updated DESC LIMIT {CANDIDATES}
"""
_RECENT = f"""
SELECT {COLUMNS}, p.at, p.updated FROM (
  (SELECT p.*, s.at FROM identity_seen s JOIN identity_person p USING (patient)
   WHERE s.facility = %s ORDER BY s.at DESC LIMIT 1000)
  UNION ALL
  (SELECT p.*, NULL FROM identity_person p ORDER BY p.updated DESC LIMIT {RECENT})
) p WHERE p.keys @@ %s::tsquery AND p.active LIMIT {CANDIDATES}
"""
_NUMBERED = f"""
WITH n AS (
  (SELECT patient, 40 AS fit FROM identity_number WHERE value = ANY(%s::text[]) LIMIT {CANDIDATES})
  UNION ALL (SELECT patient, 12 FROM identity_number WHERE value >= %s AND value < %s || '~' LIMIT {CANDIDATES})
  UNION ALL (SELECT patient, 16 FROM identity_number WHERE reversed >= %s AND reversed < %s || '~' LIMIT {CANDIDATES})
)
SELECT {COLUMNS}, s.at, p.updated, n.fit FROM (SELECT patient, max(fit) AS fit FROM n GROUP BY patient) n
JOIN identity_person p USING (patient) LEFT JOIN identity_seen s ON s.facility = %s AND s.patient = p.patient
WHERE p.active ORDER BY n.fit DESC LIMIT {CANDIDATES}
"""
_KNOWN = f"""
SELECT kind, word FROM identity_word WHERE word = ANY(%s::text[])
UNION
SELECT w.kind, w.word FROM unnest(%s::text[]) AS p (begin),
LATERAL (
  SELECT DISTINCT kind, word FROM identity_word
  WHERE word >= p.begin AND word < p.begin || chr(1114111) LIMIT {PREFIXES}
) w
"""

shares = Shares()


class Word(NamedTuple):
    """One typed word: as typed, folded, and what of the dictionary it may be."""

    raw: str
    folded: str
    names: list[str]
    places: list[str]
    begun: list[str]  # name words that begin with it
    optional: bool  # `xã`, `bản`: names a kind of place only


def find(typed: Typed, *, facility: str, limit: int, only: str | None = None) -> Step[list[Found]]:
    """Return the people who fit, best first. facility: its people come first among equals. only: the one allowed id."""
    yield from shares.refresh()
    found: dict[str, Found] = {}
    for number in typed.numbers:
        yield from _numbered(number, facility, found)
    if typed.words or typed.births or typed.year:
        yield from _stages(typed, facility, limit, found)
    if typed.year and not typed.words and not typed.births:
        yield from _numbered(typed.year, facility, found)
    people = (person for person in found.values() if only is None or person.id == only)
    return rank(people, typed, facility)[:limit]


def _numbered(number: str, facility: str, found: dict[str, Found]) -> Step[None]:
    """Collect people with this number, its beginning or its last signs; of a long number that nobody has, one slip."""
    back = number[::-1]
    query = Query(_NUMBERED, ([number], number, number, back, back, facility))
    rows = yield query
    slipped = not rows and len(number) >= 8
    if slipped:
        near = sorted(words.slips(number, "0123456789"))
        rows = yield query._replace(params=(near, "~", "~", "~", "~", facility))
    for *row, fit in rows:
        _keep(found, row, slipped=slipped).score += fit


def _stages(typed: Typed, facility: str, limit: int, found: dict[str, Found]) -> Step[None]:
    known = yield from _look_up(typed)
    births = [shares.lexeme(lexeme) for lexeme in typed.births]
    if typed.year:
        births.append(shares.lexeme(f"={typed.year}"))
    name = " ".join(typed.words)
    tried: set[str] = set()
    placed = False
    for reading in (_in_name, _last_begun, _with_places, _begun):
        if len(found) >= limit:
            return
        condition = reading(known, births)
        if condition and condition.text not in tried:
            tried.add(condition.text)
            yield from _collect(condition, name, facility, found)
            # Name and address fit as typed: nothing was mistyped.
            placed = placed or (reading is _with_places and bool(found) and len(known) > 3 and not births)
    if len(found) < limit and not placed:
        slipped = yield from _one_slip(known, births, typed)
        for condition in slipped:
            yield from _collect(condition, name, facility, found, slipped=True)


def _look_up(typed: Typed) -> Step[list[Word]]:
    """Tell for each typed word what it may be."""
    folded = [words.fold(raw) for raw in typed.words]
    untelexed = [words.untelex(word) for word in folded]
    if not folded:
        return []
    rows = yield Query(
        _KNOWN, ([*folded, *untelexed], [word for word in folded if len(word) > 1 or word == folded[-1]])
    )
    names = {word for kind, word in rows if kind == "n"}
    places = {word for kind, word in rows if kind == "a"}
    out = []
    for raw, word, meant in zip(typed.words, folded, untelexed, strict=True):
        forms = [word] if word in names or word in places else [meant]
        out.append(
            Word(
                raw,
                word,
                names=[form for form in forms if form in names],
                places=[form for form in forms if form in places],
                begun=[name for name in sorted(names) if name.startswith(word) and name != word],
                optional=word in words.IDLE,
            )
        )
    return out


def _in_name(known: list[Word], births: list[Condition]) -> Condition | None:
    return _and(together(shares, [word.names for word in known]), births) if known else every(births)


def _last_begun(known: list[Word], births: list[Condition]) -> Condition | None:
    if not known or not known[-1].begun:
        return None
    choices = [*(word.names for word in known[:-1]), known[-1].begun]
    return _and(together(shares, choices), births)


def _with_places(known: list[Word], births: list[Condition]) -> Condition | None:
    """Each word in the name or in the address; words that name a kind of place need not fit."""
    told = [word for word in known if not word.optional]
    if len(told) == len(known) and not any(word.places for word in known):
        return None
    return _and(_mixed(told), births)


def _mixed(told: list[Word]) -> Condition | None:
    """Words that are names only stand together in the name; each of the others in the name or in the address."""
    if any(not word.names and not word.places for word in told):
        return None
    names = [word.names for word in told if not word.places]
    parts = [together(shares, names)] if names else []
    return every(part for part in [*parts, *(_anywhere(word) for word in told if word.places)] if part)


def _begun(known: list[Word], births: list[Condition]) -> Condition | None:
    return _and(together(shares, [word.names or word.begun for word in known]), births) if len(known) > 1 else None


def _one_slip(known: list[Word], births: list[Condition], typed: Typed) -> Step[list[Condition]]:
    """Conditions with one of the words, or one sign of the birth date, mistyped."""
    lost = [word for word in known if not (word.names or word.places or word.optional)]
    conditions: list[Condition | None] = []
    if len(lost) <= 1:
        suspects = lost or [word for word in known if not word.optional]
        near = {word.folded: words.slips(word.folded) | words.slips(words.untelex(word.folded)) for word in suspects}
        rows = yield Query(_KNOWN, (sorted(set().union(*near.values())) if near else [], []))
        for word in suspects:
            names = sorted(w for kind, w in rows if kind == "n" and w in near[word.folded])
            places = sorted(w for kind, w in rows if kind == "a" and w in near[word.folded])
            conditions += _with_slip(known, word, names, places, births)
    strange = [word for word in known if word.folded not in (*word.names, *word.places) and not word.optional]
    if len(strange) == 1:
        conditions += _blank_lost(known, strange[0], births)
    if len(strange) <= 2 < len(known):
        conditions += yield from _blank_added(known, strange, births)
    if not lost:
        conditions += _birth_slips(known, births, typed)
    return [c for c in conditions if c and shares.rows(c) <= VAGUE] or [c for c in conditions[:1] if c]


def _with_slip(
    known: list[Word], slipped: Word, names: list[str], places: list[str], births: list[Condition]
) -> Iterable[Condition | None]:
    meant = slipped._replace(names=names, places=places)
    heard = [meant if word is slipped else word for word in known]
    yield _and(together(shares, [word.names for word in heard]), births)
    if any(word.optional or not word.names for word in heard if word is not meant) or not (slipped.names or names):
        yield _and(_mixed([word for word in heard if not word.optional or word is meant]), births)


def _blank_lost(known: list[Word], strange: Word, births: list[Condition]) -> Iterable[Condition | None]:
    """A blank forgotten (`vanlan`) is a slip too."""
    others = [word.names for word in known if word is not strange]
    for at in range(2, len(strange.folded) - 1):
        yield _and(together(shares, [*others, [strange.folded[:at]], [strange.folded[at:]]]), births)


def _blank_added(known: list[Word], strange: list[Word], births: list[Condition]) -> Step[list[Condition | None]]:
    """And so is one too many (`la n`): two words that stand together are one, and then nothing is strange any more."""
    whole = {
        known[at].folded + known[at + 1].folded: at
        for at in range(len(known) - 1)
        if all(word in known[at : at + 2] for word in strange)
    }
    rows = yield Query(_KNOWN, (sorted(whole), []))
    conditions = []
    for joined in sorted({word for kind, word in rows if kind == "n" and word in whole}):
        at = whole[joined]
        others = [word.names for word in (*known[:at], *known[at + 2 :])]
        conditions.append(_and(together(shares, [*others, [joined]]), births))
    return conditions


def _birth_slips(known: list[Word], births: list[Condition], typed: Typed) -> Iterable[Condition | None]:
    if not known:
        return
    name = together(shares, [word.names for word in known])
    for lexeme in [*typed.births, *([f"={typed.year}"] if typed.year else [])]:
        rest = [birth for birth in births if birth.text != f"'{lexeme}'"]
        near = some(shares.lexeme(other) for other in sorted(birth_slips(lexeme)))
        if name and near:
            yield every([name, near, *rest])


def birth_slips(lexeme: str) -> set[str]:
    """Return the birth lexemes with one digit other, or two digits changed about."""
    out: set[str] = set()
    spots = [i for i, c in enumerate(lexeme) if c.isdigit()]
    for i in spots:
        out.update(lexeme[:i] + digit + lexeme[i + 1 :] for digit in "0123456789")
    for i, j in pairwise(spots):
        signs = list(lexeme)
        signs[i], signs[j] = signs[j], signs[i]
        out.add("".join(signs))
    if len(lexeme) == 11:  # day and month changed about
        out.add(f"{lexeme[:6]}{lexeme[9:11]}-{lexeme[6:8]}")
    return out - {lexeme}


def _anywhere(word: Word) -> Condition | None:
    return some(shares.lexeme(lexeme) for lexeme in [*word.names, *(f"@{place}" for place in word.places)])


def _and(condition: Condition | None, births: list[Condition]) -> Condition | None:
    return every([condition, *births]) if condition else None


def _collect(
    condition: Condition, name: str, facility: str, found: dict[str, Found], *, slipped: bool = False
) -> Step[None]:
    if shares.rows(condition) > VAGUE:
        rows = yield Query(_RECENT, (facility, condition.text))
    else:
        rows = yield Query(_MATCHING, (condition.text, facility, name, facility))
    for row in rows:
        _keep(found, row, slipped=slipped)


def _keep(found: dict[str, Found], row: Sequence[Any], *, slipped: bool) -> Found:
    """Note a person brought up; how they were found first stays."""
    if row[0] not in found:
        found[row[0]] = Found(*row)
        found[row[0]].slipped = slipped
    return found[row[0]]
