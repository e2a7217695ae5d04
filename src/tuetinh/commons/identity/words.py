"""Words as receptionists type them: folding, Telex left undone, slips; and the lexemes under which a person is found.

Lexemes of `identity_person.keys`: a name word as it is (`lan`), a pair of name words (`~lan~nguyen`, alphabetical),
parts of the birth date (`=1985`, `=1985-03`, `=1985-03-12`, `=03-12`), an address word (`@lung`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import combinations, islice

from tuetinh.record.text import fold as _fold

WORD = 60  # letters of a word that the index keeps: a lexeme may not pass 2 kB
PLACE_WORDS = 60
NAME_WORDS = 8  # names longer than this are cut in the index; nobody types more
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_WORD = re.compile(r"\w+")
_TELEX = re.compile(r"([^aeiouyw]*)([aeiouyw].*)")
_TELEX_TONES = re.compile(r"[sfrxjzw]")
_VNI = re.compile(r"(?<=[a-z])[0-9]")
# Words that name a kind of place, not a place; and those of them that are rarely part of a name.
_KINDS = "ban thon xom to khu dan pho xa phuong thi tran huyen tinh thanh so nha ap duong buon lang"
PLACE_KINDS = frozenset(_KINDS.split())
IDLE = PLACE_KINDS - frozenset(("thi", "tran", "thanh", "dan", "to", "pho"))


@lru_cache(maxsize=65536)
def fold(text: str) -> str:
    """Return `text` in lower case without accents and tone marks; eth, a common misprint of đ, counts as d."""
    return _fold(text.replace("ð", "d").replace("Ð", "d"))


def split(text: str) -> list[str]:
    """Return the words of a text, accents kept, lower case, in composed form; very long ones are cut."""
    return [word[:WORD] for word in _WORD.findall(unicodedata.normalize("NFC", text).lower())]


@lru_cache(maxsize=65536)
def exact(word: str) -> str:
    """Return a form in which equal spellings meet wherever the tone mark stands (`hoà`, `hòa`)."""
    parts = unicodedata.normalize("NFD", word.lower().replace("đ", "d\u0335"))
    return "".join(c for c in parts if not unicodedata.combining(c)) + "".join(
        sorted(c for c in parts if unicodedata.combining(c))
    )


def untelex(word: str) -> str:
    """Return the folded word that was meant when Telex or VNI keys were left undone (`nguyeenx`, `nguye6n4`)."""
    word = _VNI.sub("", word)
    match = _TELEX.fullmatch(word)
    if not match:
        return word
    head, tail = match.groups()
    if head.endswith("dd"):
        head = head[:-1]
    if tail[0] == "w":
        tail = "u" + tail[1:]
    tail = tail[0] + _TELEX_TONES.sub("", tail[1:])
    for vowel in "aeo":
        tail = tail.replace(vowel * 2, vowel)
    if head == "d" and tail.endswith("d"):
        tail = tail[:-1]
    return head + tail


def slips(word: str, alphabet: str = _LETTERS) -> set[str]:
    """Return every word that one slip (a letter more, less, other, two changed about) makes of `word`."""
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    out = {a + b[1:] for a, b in cuts if b}
    out.update(a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1)
    out.update(a + c + b[1:] for a, b in cuts if b for c in alphabet)
    out.update(a + c + b for a, b in cuts for c in alphabet)
    out -= {word, ""}
    return out


def pair(one: str, other: str) -> str:
    """Return the lexeme of two name words standing in one name, in whatever order."""
    return f"~{one}~{other}" if one <= other else f"~{other}~{one}"


def name_words(name: str) -> list[str]:
    """Return the folded words of a name that the index keeps."""
    return [fold(word) for word in split(name)][:NAME_WORDS]


def place_words(address: str) -> list[str]:
    """Return the folded words of an address that tell places apart."""
    return sorted(islice(dict.fromkeys(w for w in map(fold, split(address)) if w not in PLACE_KINDS), PLACE_WORDS))


def birth_lexemes(birth: str) -> list[str]:
    """Return the lexemes of a FHIR date."""
    out = [f"={birth[:length]}" for length in (4, 7, 10) if len(birth) >= length]
    return [*out, f"={birth[5:10]}"] if len(birth) >= 10 else out


def lexemes(name: list[str], birth: str, place: Iterable[str]) -> list[str]:
    """Return all lexemes of a person."""
    pairs = (pair(a, b) for a, b in combinations(name, 2))
    return sorted({*name, *pairs, *birth_lexemes(birth), *(f"@{word}" for word in place)})
