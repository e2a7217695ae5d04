"""Who asks the record for something, in which role, where, and for what purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from tuetinh.record.sight import EVERYTHING, NOTHING, Sight


@dataclass(frozen=True, slots=True)
class Asker:
    """The person or program on whose behalf the record is read or changed.

    account: stable id of the account, as the audit names it.
    role: the desk it sits at (`doctor`, `lab`, …; `system` for programs of the house and connected systems).
    facility: id of the Organization where it works, or "".
    purpose: code of v3 PurposeOfUse (`TREAT`, `PATRQT`, `HOPERAT`, …).
    scopes: SMART v2 scopes such as `system/*.cruds`, `user/Observation.rs?category=laboratory`; nothing is allowed that
        none of them names.
    practitioner: id of the Practitioner that the account belongs to, or "".
    client: id of the app or connected system through which it asks, "" for the pages of the house.
    patient: when set, only resources of this patient's compartment exist for the asker.
    sight: which rows exist for it, as the database is told; none by default.
    """

    account: str
    role: str
    facility: str = ""
    purpose: str = "TREAT"
    scopes: frozenset[str] = frozenset()
    patient: str | None = None
    practitioner: str = ""
    client: str = ""
    sight: Sight = NOTHING

    def may(self, interaction: str, type_: str) -> bool:
        """Tell whether a scope names the interaction (one letter of `cruds`) on the whole resource type."""
        for scope in self.scopes:
            _, _, rest = scope.partition("/")
            name, _, letters = rest.partition(".")
            if name in ("*", type_) and interaction in letters and "?" not in letters:
                return True
        return False

    @property
    def is_granular(self) -> bool:
        """Whether some scope has a query."""
        return any("?" in scope for scope in self.scopes)

    @property
    def administers(self) -> bool:
        """Whether it may change what holds for everybody, as which search parameters there are: scopes of `system`."""
        return any(scope.startswith("system/") for scope in self.scopes)

    def may_some(self, interaction: str, type_: str) -> bool:
        """Tell whether a scope names the interaction on the type, be it only on what the scope's query finds.

        Who asks this must leave out what is not within `granular.clauses`.
        """
        return self.may(interaction, type_) or any(
            name in ("*", type_) and interaction in rest.partition("?")[0]
            for name, _, rest in (scope.partition("/")[2].partition(".") for scope in self.scopes)
        )


def pack(asker: Asker) -> str:
    """The asker as JSON, to go on in its name later."""
    return msgspec.json.encode(asker).decode()


def unpack(kept: str | dict[str, Any]) -> Asker:
    """The asker that was packed. JSON of PostgreSQL comes as text on Django's connection, as a dict on others."""
    return msgspec.json.decode(kept, type=Asker) if isinstance(kept, str) else msgspec.convert(kept, Asker)


SYSTEM = Asker("system", "system", purpose="HOPERAT", scopes=frozenset({"system/*.cruds"}), sight=EVERYTHING)
"""The house itself: imports, background jobs, the demo province."""
