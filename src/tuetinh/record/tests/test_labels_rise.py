"""A label holds for all that shows what it hides: older versions, contents, and what names or gathers the labelled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from msgspec import structs

from tuetinh.record import api, history, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Forbidden, NotFound
from tuetinh.record.sight import Sight
from tuetinh.record.steps import enter, run

pytestmark = pytest.mark.django_db
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
THERE = replace(SYSTEM, facility="there")
NOBODY = Asker("1", "archivist", "here", "HOPERAT", frozenset({"user/*.cruds"}), sight=Sight("*"))
"""Sees every type, and no label."""
HIV, PSY = 1, 2


def to(name: str) -> r4.Reference:
    return r4.Reference(reference=name)


def secret(label: str) -> r4.Meta | None:
    return r4.Meta(security=[r4.Coding(system=ACT_CODE, code=label)]) if label else None


def observation(id_: str = "o", label: str = "") -> r4.Observation:
    code = r4.CodeableConcept(text="x")
    return r4.Observation(id=id_, status="final", code=code, subject=to("Patient/pang"), meta=secret(label))


def document(*binaries: str, label: str = "", related: str = "") -> r4.DocumentReference:
    return r4.DocumentReference(
        id="d",
        meta=secret(label),
        status="current",
        subject=to("Patient/pang"),
        content=[
            r4.DocumentReferenceContent(attachment=r4.Attachment(url=f"Binary/{one}")) for one in binaries or ["none"]
        ],
        context=r4.DocumentReferenceContext(related=[to(related)]) if related else None,
    )


def report(*results: str) -> r4.DiagnosticReport:
    code = r4.CodeableConcept(text="x")
    return r4.DiagnosticReport(
        id="r",
        status="final",
        code=code,
        subject=to("Patient/pang"),
        result=[to(f"Observation/{one}") for one in results],
    )


def composition(entry: str) -> r4.Composition:
    return r4.Composition(
        id="c",
        status="final",
        type=r4.CodeableConcept(text="x"),
        subject=to("Patient/pang"),
        date="2026-01-01",
        author=[to("Practitioner/x")],
        title="x",
        section=[r4.CompositionSection(entry=[to(entry)])],
    )


def binary(id_: str = "b", context: str = "") -> r4.Binary:
    return r4.Binary(id=id_, contentType="a/b", data="AAAA", securityContext=to(context) if context else None)


def put(resource: r4.Resource, asker: Asker = THERE) -> None:
    api.put_many(asker, [resource])


def labels_of(type_: str, id_: str, table: str = "") -> list[int]:
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT labels FROM record."{type_}{table}" WHERE type = %s AND id = %s ORDER BY version', [type_, id_]
        )
        return [row[0] for row in cursor.fetchall()]


def hidden(type_: str, id_: str) -> bool:
    """Whether a resource does not exist for who sees no label."""
    try:
        api.read(NOBODY, type_, id_)
    except NotFound:
        return True
    return False


# -- older versions ---------------------------------------------------------------------------------------------------


def test_a_label_of_a_later_version_hides_those_before() -> None:
    put(observation())
    put(observation())
    assert len(api.history(NOBODY, "Observation", "o")) == 2
    put(observation(label="HIV"))
    with pytest.raises(NotFound):
        api.history(NOBODY, "Observation", "o")
    assert labels_of("Observation", "o", "_history") == [HIV, HIV]
    assert [one for _, one in run(NOBODY, history.changes(NOBODY, "Observation")) if one.id == "o"] == []
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("SELECT labels FROM record.feed WHERE type = 'Observation' AND id = 'o'")
        assert cursor.fetchall() == [(HIV,)] * 3


def test_labels_of_older_versions_are_added_to_and_stay() -> None:
    for label in ("HIV", "PSY", ""):
        put(observation(label=label))
    assert labels_of("Observation", "o") == [0]
    assert labels_of("Observation", "o", "_history") == [HIV | PSY, PSY]


# -- contents ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["document", "binary"])
@pytest.mark.parametrize("named", ["by its attachment", "by the context"])
def test_a_binary_is_labelled_as_its_document(first: str, named: str) -> None:
    by_context = named == "by the context"
    both = [document(*([] if by_context else ["b"]), label="HIV"), binary(context="DocumentReference/d" * by_context)]
    for one in both if first == "document" else reversed(both):
        put(one)
    assert hidden("Binary", "b")
    put(binary(context="DocumentReference/d" * by_context))  # and its next version
    assert labels_of("Binary", "b") == [HIV]


@pytest.mark.parametrize("context", ["", "DocumentReference/d"])
def test_a_document_that_is_labelled_later_takes_its_binaries_along(context: str) -> None:
    put(binary(context=context))
    put(document("b"))
    assert not hidden("Binary", "b")
    put(document("b", label="PSY"))
    assert labels_of("Binary", "b") == [PSY]


@pytest.mark.parametrize(
    "shows",
    [
        r4.Media(id="m", meta=secret("HIV"), status="completed", content=r4.Attachment(url="Binary/b")),
        r4.DiagnosticReport(
            id="r",
            meta=secret("HIV"),
            status="final",
            code=r4.CodeableConcept(text="x"),
            presentedForm=[r4.Attachment(url="Binary/b")],
        ),
    ],
)
def test_other_documents_show_binaries_too(shows: r4.Resource) -> None:
    put(shows)
    put(binary())
    assert hidden("Binary", "b")
    put(binary("other"))
    assert not hidden("Binary", "other")


def test_a_large_content_is_labelled_with_its_binary(tmp_path: Any, settings: Any) -> None:
    settings.DATA = tmp_path
    put(r4.Binary(id="b", contentType="a/b", data="AAAA" * 40_000))
    put(document("b"))
    put(document("b", label="HIV"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT labels FROM record.content WHERE id = 'b'")
        assert cursor.fetchall() == [(HIV,)]


# -- what names it ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(
    "container",
    [report("o"), composition("Observation/o"), document(related="Observation/o")],
    ids=lambda one: one.resourceType,
)
def test_what_names_the_labelled_is_labelled(container: r4.Resource, later: bool) -> None:
    put(observation(label="" if later else "HIV"))
    put(container)
    if later:
        assert not hidden(container.resourceType, str(container.id))
        put(observation(label="HIV"))
    assert labels_of(container.resourceType, str(container.id)) == [HIV]
    put(container)
    assert hidden(container.resourceType, str(container.id))


def test_a_label_goes_on_from_one_to_the_next() -> None:
    for one in (binary(), document("b", related="DiagnosticReport/r"), report("o", "x"), observation()):
        put(one)
    put(observation(label="HIV"))
    assert [hidden(*name.split("/")) for name in ("DiagnosticReport/r", "DocumentReference/d", "Binary/b")] == [
        True
    ] * 3


def test_in_one_bundle_the_order_does_not_matter() -> None:
    api.create_many(THERE, [report("o"), observation(label="HIV"), composition("DiagnosticReport/r")])
    assert labels_of("DiagnosticReport", "r") + labels_of("Composition", "c") == [HIV, HIV]


@pytest.mark.parametrize("label", ["HIV", ""])
def test_of_many_each_takes_the_labels_of_what_it_names_itself(label: str) -> None:
    for one in (observation("o", label), observation("p"), observation("q", label and "PSY")):
        put(one)
    named = {"r1": ["o"], "r2": ["p"], "r3": ["p", "q"], "r4": ["none"]}
    api.create_many(THERE, [structs.replace(report(*results), id=id_) for id_, results in named.items()])
    found = [labels_of("DiagnosticReport", id_) for id_ in named]
    assert found == ([[HIV], [0], [PSY], [0]] if label else [[0]] * 4)


def test_who_may_not_see_a_label_does_not_write_about_it() -> None:
    put(observation(label="HIV"))
    with pytest.raises(Forbidden, match="not to write"):
        api.create(NOBODY, report("o"))
    assert labels_of("DiagnosticReport", "r") == []


def test_labels_made_anew_are_the_same() -> None:
    put(observation())
    put(report("o"))
    put(observation(label="HIV"))
    kept = [("Observation", "o", ""), ("Observation", "o", "_history"), ("DiagnosticReport", "r", "")]
    before = [labels_of(*one) for one in kept]
    assert before == [[HIV], [HIV], [HIV]]
    import_module("tuetinh.commons.access.migrations.0006_post_labels").relabel(None, None)
    assert [labels_of(*one) for one in kept] == before


def test_what_is_without_a_label_costs_no_statement_more(django_assert_num_queries: Callable[[int], Any]) -> None:
    with django_assert_num_queries(3):  # with the savepoint around it
        api.create(
            SYSTEM, r4.DiagnosticReport(status="final", code=r4.CodeableConcept(text="x"), result=[to("Observation/o")])
        )


# -- what gathers things of a patient ---------------------------------------------------------------------------------


def bundle(*resources: r4.Resource, kind: str = "collection") -> r4.Bundle:
    is_document = kind == "document"
    return r4.Bundle(
        id="g",
        type=kind,
        identifier=r4.Identifier(system="urn:x", value="x") if is_document else None,
        timestamp="2026-01-01T00:00:00Z" if is_document else None,
        entry=[r4.BundleEntry(fullUrl=f"urn:uuid:{uuid4()}", resource=one) for one in resources],
    )


def condition(patient: str = "pang", label: str = "") -> r4.Condition:
    return r4.Condition(subject=to(f"Patient/{patient}"), code=r4.CodeableConcept(text="x"), meta=secret(label))


GATHERING: list[tuple[r4.Resource, str | None]] = [
    (bundle(condition(), condition()), "pang"),
    (bundle(r4.Patient(id="pang"), r4.Organization(id="x", name="x")), "pang"),
    (bundle(composition("Patient/tam"), r4.Patient(id="tam"), kind="document"), "pang"),
    (bundle(condition(), condition("tam")), None),
    (bundle(r4.Organization(id="x", name="x")), None),
    (r4.List(id="g", status="current", mode="working", subject=to("Patient/pang")), "pang"),
    (r4.List(id="g", status="current", mode="working", entry=[r4.ListEntry(item=to("Patient/pang"))]), "pang"),
    (r4.QuestionnaireResponse(id="g", status="completed", source=to("Patient/pang")), "pang"),
    (
        r4.MessageHeader(
            id="g", eventUri="urn:x", source=r4.MessageHeaderSource(endpoint="urn:x"), focus=[to("Patient/pang")]
        ),
        "pang",
    ),
    (
        r4.Linkage(
            id="g", item=[r4.LinkageItem(type=kind, resource=to("Patient/pang")) for kind in ("source", "alternate")]
        ),
        "pang",
    ),
]


@pytest.mark.parametrize(("gathers", "patient"), GATHERING)
def test_what_gathers_things_of_one_patient_is_that_patients(gathers: r4.Resource, patient: str | None) -> None:
    put(gathers)
    type_ = gathers.resourceType
    with connection.cursor() as cursor:
        cursor.execute("SELECT patient, custodian FROM record.resource WHERE type = %s AND id = 'g'", [type_])
        assert cursor.fetchall() == [(patient, "there")]
        cursor.execute("INSERT INTO record.denial VALUES ('pang', 'here', '', 'Consent/x')")
    assert hidden(type_, "g")  # because pang forbids it, or because it is nobody's and there it was written
    assert api.read(replace(NOBODY, facility="there"), type_, "g").id == "g"


def test_what_is_of_one_who_forbids_nothing_is_seen() -> None:
    put(bundle(condition()))
    assert not hidden("Bundle", "g")
    put(bundle(condition(label="HIV")))
    assert labels_of("Bundle", "g") == [HIV]


def test_what_was_stored_before_is_found_and_given() -> None:
    put(bundle(condition()))
    put(document("b"))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE record.\"Bundle\" SET patient = NULL WHERE id = 'g'")
        cursor.execute("UPDATE record.\"DocumentReference\" SET tokens = '{}', labels = 1 WHERE id = 'd'")
    import_module("tuetinh.record.migrations.0030_post_labels_rise").fill(None, None)
    assert not hidden("Bundle", "g")
    put(binary())
    assert labels_of("Binary", "b") == [HIV]
