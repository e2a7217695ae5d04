"""The CapabilityStatement of the door, made from what is really there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from tuetinh.record import operations, r4
from tuetinh.record.audit import reading
from tuetinh.record.built_in import PUBLISHED
from tuetinh.record.built_in import TYPES as DEFINING
from tuetinh.record.patch import MEDIA
from tuetinh.record.search.params import INDEXED, SPECIAL, UNANSWERED, WORDS, Param, added, official, params
from tuetinh.record.subscriptions import topics
from tuetinh.record.subscriptions.sockets import PATH
from tuetinh.record.subscriptions.wanted import BACKPORT
from tuetinh.record.validate import check

TYPE_INTERACTIONS = (
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)
SYSTEM_INTERACTIONS = ("transaction", "batch", "search-system", "history-system")
PREFIXES = "prefixes eq ne gt lt ge le sa eb ap"
WHOLE_WORDS = "Whole words, folded, that must all be there."
ASKED = {
    "token": "Modifiers :missing :not :text, :in :not-in :above :below for codes, :of-type for identifiers.",
    "string": "Modifiers :missing :exact :contains; case, accents and tone marks do not matter but for :exact.",
    "reference": "Modifiers :missing :identifier :[type], :above :below for Location and Organization; chains.",
    "uri": "Modifiers :missing :above :below.",
    "date": f"Modifier :missing; {PREFIXES}.",
    "number": f"Modifier :missing; {PREFIXES}.",
    "special": "latitude|longitude|distance|unit; unit by UCUM, km if left out.",
    "quantity": f"Modifier :missing; {PREFIXES}; UCUM units are converted.",
}
BINARY = (
    "Bodies of other types than FHIR JSON and XML are contents, with X-Security-Context for the security context."
    " Contents are given as they are, also in ranges, unless FHIR JSON or XML is asked for by name."
)
AUDIT = (
    "The access log of the node, newest first. A keeper of a facility sees what its accounts have done, a person"
    " what was done with the own record. Connected systems add events of their own, in which meta.source and an agent"
    " tell who sent them; an event is about one patient at most. Nothing is changed or deleted."
)
DEFINED = "Also what the server itself defines and HL7 publishes of R4: read by id, found after what is stored."
BULK_DATA = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"
SECURITY = "http://terminology.hl7.org/CodeSystem/restful-security-service"
SUBSCRIPTION = (
    "Criteria are any search on one type, or the canonical of a topic: one that is listed here, or a Basic with the "
    "code SubscriptionTopic. Channels: rest-hook, websocket, email."
)
WEBSOCKET = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket"
TOPIC = "capabilitystatement-subscriptiontopic-canonical"
OAUTH = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


def statement(base: str) -> bytes:
    """The statement for clients that see the door at `base`; raises ValueError if it were not valid FHIR itself."""
    return _statement(base, added().generation)


@lru_cache(maxsize=16)
def _statement(base: str, generation: int) -> bytes:  # of the added parameters
    made = r4.CapabilityStatement(
        id="tuetinh",
        url=f"{base}/metadata",
        name="TueTinh",
        title="Tuệ Tĩnh",
        status="active",
        date=PUBLISHED,
        kind="instance",
        instantiates=[BULK_DATA],
        software=r4.CapabilityStatementSoftware(name="Tuệ Tĩnh", version=version("tuetinh")),
        implementation=r4.CapabilityStatementImplementation(description="Tuệ Tĩnh FHIR R4", url=base),
        fhirVersion="4.0.1",
        format=["application/fhir+json", "json", "application/fhir+xml", "xml"],
        patchFormat=[*MEDIA],
        rest=[_rest(base.removesuffix("/fhir"))],
    )
    body = r4.encode(made)
    _, problems = check(body)
    if wrong := [p for p in problems if p.severity == "error"]:
        raise ValueError(str(wrong[:3]))
    return body


def _rest(root: str) -> r4.CapabilityStatementRest:
    return r4.CapabilityStatementRest(
        mode="server",
        documentation="Clients send a Bearer token of /oauth/token (SMART App Launch 2, scopes v1 and v2).",
        security=r4.CapabilityStatementRestSecurity(
            cors=True,
            service=[r4.CodeableConcept(coding=[r4.Coding(system=SECURITY, code="SMART-on-FHIR")])],
            extension=[r4.Extension(url=OAUTH, extension=_endpoints(root))],
        ),
        extension=[r4.Extension(url=WEBSOCKET, valueUri=root.replace("http", "ws", 1) + PATH)],
        resource=[_resource(type_) for type_ in sorted(r4.RESOURCES)],
        interaction=[r4.CapabilityStatementRestInteraction(code=code) for code in SYSTEM_INTERACTIONS],
        searchParam=[_param("_id", "token"), _param("_lastUpdated", "date"), _param("_type", "special")],
        operation=_operations(one for one in operations.known() if "system" in one.levels),
    )


def _endpoints(root: str) -> list[r4.Extension]:
    """The extension oauth-uris (SMART App Launch 1, conformance)."""
    names = ("authorize", "token", "introspect", "revoke")
    return [r4.Extension(url=name, valueUri=f"{root}/oauth/{name}") for name in names]


def answered(type_: str) -> dict[str, Param]:
    """The search parameters of a type that are answered, by their codes."""
    kinds = {*INDEXED, "composite", "special"}
    return {
        code: p
        for code, p in params(type_).items()
        if (type_ != reading.NAME or code in reading.PARAMS)
        and code not in UNANSWERED
        and p.type in kinds
        and (p.leaves or p.components or code[0] == "_" or code in SPECIAL)
    }


def _resource(type_: str) -> r4.CapabilityStatementRestResource:
    if type_ == reading.NAME:
        return _access_log()
    known = answered(type_)
    strict = os.environ.get("TUETINH_REFERENCES") == "strict"
    return r4.CapabilityStatementRestResource(
        type=type_,
        profile=f"http://hl7.org/fhir/StructureDefinition/{type_}",
        documentation={"Binary": BINARY, "Subscription": SUBSCRIPTION, **dict.fromkeys(DEFINING, DEFINED)}.get(type_),
        interaction=[r4.CapabilityStatementRestResourceInteraction(code=code) for code in TYPE_INTERACTIONS],
        versioning="versioned-update",
        readHistory=True,
        updateCreate=True,
        conditionalCreate=True,
        conditionalRead="full-support",
        conditionalUpdate=True,
        conditionalDelete="single",
        referencePolicy=["literal", "local", *(["enforced"] if strict else [])],
        searchInclude=["*", *sorted(f"{type_}:{code}" for code, p in known.items() if p.type == "reference")],
        searchRevInclude=[*sorted(_pointing_at(type_))],
        searchParam=[
            *(_param(code, p.type, p.url, told(p)) for code, p in sorted(known.items())),
            _param("_has", "special", None, "Reverse chaining, also nested and within chains, over 4 resources."),
            _param("_list", "special", None, "What the entries of a List refer to."),
            _param("_filter", "special", None, "Comparisons of parameters and chains with and, or, not."),
        ],
        operation=_operations(o for o in operations.known() if o.at("type", type_) or o.at("instance", type_)),
        **(_subscribing() if type_ == "Subscription" else {}),
    )


def _access_log() -> r4.CapabilityStatementRestResource:
    """AuditEvent, which is read, searched and added to only."""
    known = params(reading.NAME)
    return r4.CapabilityStatementRestResource(
        type=reading.NAME,
        profile=f"http://hl7.org/fhir/StructureDefinition/{reading.NAME}",
        documentation=AUDIT,
        interaction=[
            r4.CapabilityStatementRestResourceInteraction(code=code) for code in ("read", "create", "search-type")
        ],
        versioning="no-version",
        readHistory=False,
        updateCreate=False,
        conditionalCreate=False,
        conditionalRead="not-supported",
        conditionalUpdate=False,
        conditionalDelete="not-supported",
        searchParam=[_param(code, p.type, known[code].url) for code, p in sorted(reading.PARAMS.items())],
    )


def _subscribing() -> dict[str, Any]:
    """How one subscribes: R4's own form, and by topics (Subscriptions R5 Backport)."""
    shipped = [r4.Extension(url=BACKPORT + TOPIC, valueCanonical=url) for url in topics.shipped()]
    return {
        "supportedProfile": [f"{BACKPORT}backport-subscription"],
        "extension": shipped,
    }


def _operations(several: Iterable[operations.Operation]) -> list[r4.CapabilityStatementRestResourceOperation] | None:
    """Each once: one name may be answered by several steps, by level."""
    named = dict.fromkeys((one.name, one.definition) for one in several)
    return [r4.CapabilityStatementRestResourceOperation(name=name, definition=url) for name, url in named] or None


def _param(
    name: str, kind: str, definition: str | None = None, documentation: str | None = None
) -> r4.CapabilityStatementRestResourceSearchParam:
    return r4.CapabilityStatementRestResourceSearchParam(
        name=name, type=kind, definition=definition, documentation=documentation
    )


def told(param: Param) -> str | None:
    """Say which modifiers and prefixes a parameter takes."""
    if param.code in WORDS:
        return WHOLE_WORDS
    if not param.ready:
        return "Refused until its index is made; SearchParameter/$reindex-status tells how far that is."
    if param.code in ("_id", "_lastUpdated"):
        return None
    return ASKED.get(param.type)


@lru_cache(maxsize=256)
def _pointing_at(type_: str) -> tuple[str, ...]:
    """Reference parameters of all types that may point to this one."""
    return tuple(
        f"{other}:{code}"
        for other in r4.RESOURCES
        if other != reading.NAME
        for code, p in official(other).items()
        if p.type == "reference" and p.leaves and type_ in p.targets
    )
