"""Who may change what everybody searches by: administrators put an added SearchParameter to use, and take it out.

This module is the guard of SearchParameter. Drafts are anybody's who may write them.
"""

from __future__ import annotations

from tuetinh.record import r4
from tuetinh.record.asker import Asker
from tuetinh.record.errors import Forbidden, Issue
from tuetinh.record.search import definitions
from tuetinh.record.steps import Query, Step

_IN_USE = "SELECT count(*) FROM record.search_parameter WHERE id = %s AND state <> 'leaving'"


def admit(asker: Asker, resource: r4.Resource) -> Step[r4.Resource]:
    """Return the SearchParameter to store. Raises Forbidden, Unprocessable."""
    if isinstance(resource, r4.SearchParameter) and not asker.administers:
        if resource.status == "active" and definitions.read(resource):
            raise _forbidden()
        yield from release(asker, str(resource.id))
    return resource


def release(asker: Asker, id_: str) -> Step[None]:
    """Let one be deleted. Raises Forbidden for one that is in use."""
    if not asker.administers:
        ((count,),) = yield Query(_IN_USE, (id_,))
        if count:
            raise _forbidden()


def _forbidden() -> Forbidden:
    text = "a search parameter in use is for everybody: store it as draft, or with a scope of the level system"
    return Forbidden(issues=[Issue("error", "forbidden", text, "SearchParameter.status")])
