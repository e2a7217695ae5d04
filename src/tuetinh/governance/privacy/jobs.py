"""Background work of data protection; each of it is safe to repeat and to be killed."""

from __future__ import annotations

from procrastinate.contrib.django import app


@app.task(name="privacy.gather")
def gather(trace: int) -> None:
    """Find whom a trace of a breach concerns."""
    from tuetinh.governance.privacy.breaches.actions import gather as find

    find(trace)


@app.task(name="privacy.tell")
def tell(breach: int) -> None:
    """Tell those whom a breach concerns."""
    from tuetinh.governance.privacy.breaches.actions import tell_people

    tell_people(breach)
