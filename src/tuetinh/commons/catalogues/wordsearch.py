"""Type-ahead over some ten thousand names.

Words in any order, without accents, the last one unfinished, one slip of the finger forgiven.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import nsmallest
from itertools import chain

from tuetinh.record.text import fold

Boost = Callable[[int], float]
_WORD = re.compile("[a-z0-9]+")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_STEM = 3  # letters from which a word before the last may be unfinished too
_SLIP, _SCATTERED, _INSIDE = 60.0, 20.0, 8.0
_RANKED = 400  # candidates that are ranked by their wording; the rest only by weight


def words(text: str) -> list[str]:
    """Return the folded words of `text`."""
    return _WORD.findall(fold(text))


def slips(word: str) -> Iterator[str]:
    """Yield every string at one slip from `word`: a letter lost, added, exchanged, or two letters swapped."""
    for i in range(len(word)):
        head, tail = word[:i], word[i:]
        yield head + tail[1:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        for letter in _LETTERS:
            yield head + letter + tail[1:]
            yield head + letter + tail
    for letter in _LETTERS:
        yield word + letter


class WordIndex:
    """An index from words to entries.

    `names[i]` holds the names of entry i (languages, synonyms), each one folded words joined by one space.
    `weight[i]` is added to its score; less is better.
    """

    def __init__(self, names: Sequence[tuple[str, ...]], weight: Sequence[float]) -> None:
        self.names, self.weight = names, weight
        postings: dict[str, array[int]] = {}
        for entry, forms in enumerate(names):
            for word in set(chain.from_iterable(form.split() for form in forms)):
                if word in postings:
                    postings[word].append(entry)
                else:
                    postings[word] = array("H" if len(names) < 65536 else "I", (entry,))
        self._postings = postings
        self._vocabulary = sorted(postings)

    def find(self, query: Sequence[str], limit: int, boost: Boost | None = None) -> list[tuple[float, int]]:
        """Return up to `limit` (score, entry), best first, for folded words.

        `boost` says what to take off an entry's score.
        """
        if not query:
            return []
        meanings = [self._matching(word, prefix=i == len(query) - 1) for i, word in enumerate(query)]
        found = self._intersect(meanings)
        scores = self._rank(found, query, 0.0, limit, boost)
        if len(scores) < limit:
            near = self._with_a_slip(query, meanings) - found
            scores += self._rank(near, query, _SLIP, limit - len(scores), boost)
        return scores

    def _matching(self, word: str, *, prefix: bool) -> list[str]:
        if not prefix and (word in self._postings or len(word) < _STEM):
            return [word] if word in self._postings else []
        start = bisect_left(self._vocabulary, word)
        return self._vocabulary[start : bisect_left(self._vocabulary, word + "{", start)]

    def _intersect(self, meanings: Iterable[list[str]]) -> set[int]:
        entries: set[int] | None = None
        for choices in sorted(meanings, key=self._frequency):
            mine = set(chain.from_iterable(self._postings[word] for word in choices))
            entries = mine if entries is None else entries & mine
            if not entries:
                return set()
        return entries or set()

    def _frequency(self, choices: list[str]) -> int:
        return sum(len(self._postings[word]) for word in choices)

    def _with_a_slip(self, query: Sequence[str], meanings: list[list[str]]) -> set[int]:
        """Entries that match when one word is read as another one at one slip from it, the others as they are typed."""
        unknown = [i for i, choices in enumerate(meanings) if not choices]
        if len(unknown) > 1:
            return set()
        near: set[int] = set()
        for i in unknown or range(len(query)):
            if len(query[i]) < 2:
                continue
            read = [word for word in set(slips(query[i])) if word in self._postings]
            if read:
                near |= self._intersect([*meanings[:i], read, *meanings[i + 1 :]])
        return near

    def _rank(
        self, found: set[int], query: Sequence[str], start: float, limit: int, boost: Boost | None
    ) -> list[tuple[float, int]]:
        weight = self.weight

        def cheap(entry: int) -> float:
            return weight[entry] - (boost(entry) if boost else 0.0)

        if len(found) > _RANKED:
            found = set(nsmallest(_RANKED, found, key=cheap))
        phrase, count = " ".join(query), len(query)
        return nsmallest(limit, ((start + cheap(e) + self._wording(e, phrase, count), e) for e in found))

    def _wording(self, entry: int, phrase: str, count: int) -> float:
        """How far the best name of an entry is from the phrase as typed."""
        best = 1000.0
        for name in self.names[entry]:
            place = 0.0 if name.startswith(phrase) else _INSIDE if f" {phrase}" in name else _SCATTERED
            best = min(best, place + abs(name.count(" ") + 1 - count))
        return best
