"""How a topic looks as FHIR: a Basic whose extensions stand for the elements of R5's SubscriptionTopic."""

from __future__ import annotations

from collections.abc import Sequence

from tuetinh.record import r4

EXTENSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic."


def topic(
    *, url: str, title: str, resource: str, interactions: Sequence[str], previous: str = "", current: str = ""
) -> r4.Basic:
    """A topic with one trigger; with two criteria both must hold."""
    trigger = [
        r4.Extension(url="resource", valueUri=f"http://hl7.org/fhir/StructureDefinition/{resource}"),
        *(r4.Extension(url="supportedInteraction", valueCode=one) for one in interactions),
    ]
    criteria = [r4.Extension(url=name, valueString=text) for name, text in _given(previous, current) if text]
    if criteria:
        criteria.append(r4.Extension(url="requireBoth", valueBoolean=len(criteria) == 2))
        trigger.append(r4.Extension(url="queryCriteria", extension=criteria))
    return r4.Basic(
        code=r4.CodeableConcept(coding=[r4.Coding(system="http://hl7.org/fhir/fhir-types", code="SubscriptionTopic")]),
        extension=[
            r4.Extension(url=f"{EXTENSION}url", valueUri=url),
            r4.Extension(url=f"{EXTENSION}title", valueString=title),
            r4.Extension(url=f"{EXTENSION}resourceTrigger", extension=trigger),
        ],
    )


def _given(previous: str, current: str) -> tuple[tuple[str, str], ...]:
    return ("previous", previous), ("current", current)
