"""Rules as data: those that were delivered, and each change of an administrator, which is kept and never altered.

A module brings its own table of changes (kind, code, facility, content, at, account, why), its kinds of rules
(msgspec structs with `code` and `check()`), and a book that answers its questions about rules in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from django.db import connection
from django.db.models import Model
from django.utils import timezone

from tuetinh.record.asker import Asker

BOOKS = 64  # facilities whose rules are kept ready


class Rule(Protocol):
    """A rule of any kind."""

    code: str

    def check(self) -> None:
        """Raise what the module raises for a rule that cannot be kept."""


R = TypeVar("R", bound=Rule)
B = TypeVar("B")


class Ledger(Generic[R, B]):
    """The rules of a module. changes: its table; kinds: by name; delivered: as they came; book: made of rules."""

    def __init__(
        self,
        changes: type[Model],
        kinds: Mapping[str, type[R]],
        delivered: Callable[[], Iterable[R]],
        book: Callable[[Iterable[R]], B],
    ) -> None:
        self._changes, self._kinds, self._delivered, self._book = changes._default_manager, kinds, delivered, book
        self._as_of = lru_cache(maxsize=BOOKS)(self._made)

    def in_force(self, facility: str = "") -> B:
        """All rules as they are now at a facility, also those switched off; one query where nothing has changed."""
        with connection.cursor() as cursor:  # asked so often that the ORM's writing of it would be felt
            cursor.execute(f'SELECT coalesce(max(id), 0) FROM "{self._changes.model._meta.db_table}"')
            last: int = cursor.fetchone()[0]
        return self._as_of(last, facility)

    def _made(self, last: int, facility: str) -> B:
        """With the changes up to this one; changes are never altered, so that this holds for good."""
        rules = {rule.code: rule for rule in self._delivered()}
        for place in dict.fromkeys(("", facility)) if last else ():
            kept = self._changes.filter(id__lte=last, facility=place).order_by("code", "-id").distinct("code")
            rules |= {rule.code: rule for rule in map(self.read, kept)}
        return self._book(rules.values())

    def change(self, asker: Asker, rule: R, why: str) -> Any:
        """Make a rule hold from now on, at the asker's facility or, having none, everywhere. It asks not who may."""
        rule.check()
        return self._changes.create(
            kind=self.kind_of(rule), code=rule.code, facility=asker.facility, content=msgspec.to_builtins(rule),
            at=timezone.now(), account=asker.account, why=why.strip()[:500],
        )  # fmt: skip

    def kind_of(self, rule: R) -> str:
        """The name of its kind."""
        return next(name for name, kind in self._kinds.items() if type(rule) is kind)

    def history(self, asker: Asker, code: str) -> list[Any]:
        """The changes of a rule, newest first, as far as they hold at the asker's facility."""
        return list(self._changes.filter(code=code, facility__in={"", asker.facility}).order_by("-id"))

    def changed(self, facility: str) -> set[str]:
        """The codes of what was changed, as far as it holds at a facility."""
        return set(self._changes.filter(facility__in={"", facility}).values_list("code", flat=True))

    def read(self, kept: Any) -> R:
        """The rule as it was made then."""
        return msgspec.convert(kept.content, self._kinds[kept.kind])
