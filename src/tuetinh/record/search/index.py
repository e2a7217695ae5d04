"""What a resource is found by: its tokens, dates, numbers and strings, taken out when it is written.

For each resource type one Python function is generated from the official expressions, at its first use. It walks each
element once, however many parameters look at it. What a value becomes is in `entries`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, Final

from tuetinh.record import r4
from tuetinh.record.hashes import token_hash
from tuetinh.record.search import contained
from tuetinh.record.search.composites import correlated
from tuetinh.record.search.entries import EMITS, VERSION, Index, boolean, is_, local, position, words
from tuetinh.record.search.evaluated import values
from tuetinh.record.search.expressions import Hop, Leaf, walk
from tuetinh.record.search.params import INDEXED, Added, Param, added, params, patient_params

COLUMNS = frozenset({"_id", "_lastUpdated"})


def extract(resource: Any, known: Added | None = None) -> Index:
    """Return everything that the resource is found by, with the added parameters as they are known."""
    found = Index()
    type_ = type(resource).__name__
    own = (known or added()).of(type_)
    _by_itself(resource, found, own)
    if type_ == "Location" and resource.position is not None:
        position(found, resource.position)
    words(found, resource)
    contained.add(found, resource, _by_itself)
    if type_ == "Binary" and (context := context_of(resource)):
        found.tokens.append(token_hash("securityContext", context))
    if type_ in SHOWING:
        found.tokens.extend(token_hash("attachment", name) for name in shown(resource))
    return _once(found)


def _by_itself(resource: Any, found: Index, own: tuple[Param, ...] = ()) -> None:
    """Add the entries of the official parameters, and of added ones."""
    type_ = type(resource).__name__
    _extractor(type_, own)(resource, found)
    for composite in correlated(type_, own):
        composite.index(found, resource)


def extract_only(resource: Any, own: tuple[Param, ...]) -> Index:
    """Return the entries of these added parameters alone."""
    found = Index()
    type_ = type(resource).__name__
    _extractor(type_, own, only=True)(resource, found)
    for composite in correlated(type_, own):
        if composite.number:
            composite.index(found, resource)
    return _once(found)


def _once(found: Index) -> Index:
    found.tokens = sorted(set(found.tokens))
    if len(found.strings) > 1:
        found.strings = list(dict.fromkeys(found.strings))
    return found


def marks(param: Param) -> bool:
    """Tell whether the presence of a value is a token of its own: not for index tables, which show it themselves."""
    return param.type in ("token", "reference", "uri") and (not param.sources or param.resolves is not None)


# -- generation -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _extractor(type_: str, own: tuple[Param, ...], *, only: bool = False) -> Callable[[Any, Index], None]:
    """Generate the function that fills an Index from a resource of this type."""
    writer = _Writer()
    for param in own if only else params(type_, own).values():
        if param.type in INDEXED and param.code not in COLUMNS:
            for leaf in param.leaves:
                writer.add(param, leaf)
    lines = [*writer.lines(writer.root, "r", 1), *writer.told()] or ["    pass"]
    source = "\n".join(["def extractor(r, out):", *writer.begun(), *lines])
    exec(compile(source, f"<search index of {type_}>", "exec"), writer.names)  # noqa: S102
    extractor: Callable[[Any, Index], None] = writer.names["extractor"]
    return extractor


class _Writer:
    """Paths of one resource type as a tree, written out as nested loops."""

    def __init__(self) -> None:
        self.root: dict[Hop | None, Any] = {}
        self.names: dict[str, Any] = {"is_": is_, "boolean": boolean, "values": values}
        self.questions: dict[Param, str] = {}
        """Parameters that ask whether something is there, which is answered at the end, each with its variable."""
        self.evaluated: dict[str, str] = {}
        """Expressions that are evaluated, each with the variable that holds what it gave."""

    def add(self, param: Param, leaf: Leaf) -> None:
        if leaf.exists:
            self.questions.setdefault(param, f"there{len(self.questions)}")
        node = self.root
        for hop in leaf.hops:
            if hop.evaluated is not None:
                self.evaluated.setdefault(hop.evaluated, f"given{len(self.evaluated)}")
            node = node.setdefault(hop, {})
        node.setdefault(None, []).append((param, leaf))

    def begun(self) -> list[str]:
        """What stands before all lines."""
        given = [f"    {variable} = values(r, {text!r})" for text, variable in self.evaluated.items()]
        return [*(f"    {variable} = False" for variable in self.questions.values()), *given]

    def told(self) -> list[str]:
        """What stands after all lines."""
        found = []
        for param, variable in self.questions.items():
            found.append(f"    boolean(out, {param.stored!r}, {variable})")
            if marks(param):
                found.append(f"    out.tokens.append({token_hash(param.stored, '', '', '')})")
        return found

    def lines(self, node: dict[Hop | None, Any], subject: str, depth: int) -> list[str]:
        found = []
        pad = "    " * depth
        for param, leaf in node.get(None, ()):
            found += self.emit(param, leaf, subject, pad)
        value = f"v{depth}"
        for hop, child in node.items():
            if hop is None:
                continue
            if hop.evaluated is not None:
                found.append(f"{pad}for {value} in {self.evaluated[hop.evaluated]}.get({hop.attribute!r}, ()):")
            elif hop.many and hop.index is None:
                found.append(f"{pad}for {value} in {subject}.{hop.attribute} or ():")
            elif hop.many and hop.index is not None:
                found.append(f"{pad}for {value} in ({subject}.{hop.attribute} or ())[{hop.index}:{hop.index + 1}]:")
            else:
                found.append(f"{pad}{value} = {subject}.{hop.attribute}")
            test = f"{value} is not None"
            inner = depth + 1 if hop.many else depth
            if hop.where:
                test += f" and {value}.{hop.where[0]} == {hop.where[1]!r}"
            found.append(f"{'    ' * inner}if {test}:")
            found += self.lines(child, value, inner + 1)
        return found

    def emit(self, param: Param, leaf: Leaf, subject: str, pad: str) -> list[str]:
        if leaf.exists:
            test = f"{subject} is not False" if leaf.truth else "True"
            return [f"{pad}{self.questions[param]} = {self.questions[param]} or {test}"]
        found = []
        if leaf.resolves and leaf.type == "Reference":
            found.append(f"{pad}if is_({subject}, {leaf.resolves!r}):")
            pad += "    "
        if marks(param):
            found.append(f"{pad}out.tokens.append({token_hash(param.stored, '', '', '')})")
        if not param.sources:
            emit = EMITS[param.type, leaf.type]
            self.names[emit.__name__] = emit
            found.append(f"{pad}{emit.__name__}(out, {param.stored!r}, {subject})")
        return found if found and not found[-1].endswith(":") else [*found, f"{pad}pass"]


# -- whose it is ------------------------------------------------------------------------------------------------------


def _local(link: str | None, type_: str) -> str | None:
    """Return the id of a relative reference to this type."""
    parts = VERSION.sub("", local(link or "")).split("/")
    return parts[1] if len(parts) == 2 and parts[0] == type_ and parts[1] else None


BESIDE: Final = {
    "BiologicallyDerivedProduct": ((Hop("collection", many=False), Hop("source", many=False)),),
    "Contract": ((Hop("subject", many=True),),),
    "Device": ((Hop("patient", many=False),),),
    "GuidanceResponse": ((Hop("subject", many=False),),),
}
"""Types that HL7 leaves out of the patient's compartment, and where they say of whom they are nevertheless."""


@cache
def patient_hops(type_: str) -> tuple[tuple[Hop, ...], ...]:
    found = [leaf.hops for p in patient_params(type_) for leaf in p.leaves if leaf.type == "Reference"]
    return tuple(dict.fromkeys(found)) or BESIDE.get(type_, ())


def shard_of(resource: Any) -> tuple[str, str | None]:
    """Return the distribution key of a resource and the patient in whose compartment it is, if in one.

    The patient is the first one that the parameters of HL7's patient compartment refer to, the direct ones first, or
    whom an element of `BESIDE` names.
    """
    type_ = type(resource).__name__
    if type_ == "Patient":
        return resource.id, resource.id
    if type_ == "Binary":
        patient = _local(context_of(resource), "Patient")
        return patient or resource.id, patient
    for hops in patient_hops(type_):
        for reference in walk([resource], hops):
            if patient := _local(reference.reference, "Patient"):
                return patient, patient
    patient = _only_patient(resource) if type_ in GATHERING else None
    return patient or resource.id, patient


GATHERING = frozenset({"Bundle", "Linkage", "List", "MessageHeader", "QuestionnaireResponse"})
"""Types that may hold or name what is of people, without being in the compartment of one (sql/lets.sql knows them)."""
_PATIENT = re.compile(rb'"reference":"([^"]*)"')


def _only_patient(resource: Any) -> str | None:
    """Return the patient of the composition that a Bundle begins with, else the only patient that is named anywhere."""
    inside = [entry.resource for entry in getattr(resource, "entry", None) or () if hasattr(entry, "resource")]
    first = inside[0] if inside and type(inside[0]).__name__ == "Composition" else None
    if first is not None and first.subject and (patient := _local(first.subject.reference, "Patient")):
        return patient
    named = {_local(link.decode(), "Patient") for link in _PATIENT.findall(r4.encode(resource))}
    named |= {one.id for one in inside if type(one).__name__ == "Patient"}
    return named.pop() if len(named := named - {None}) == 1 else None


def context_of(binary: Any) -> str | None:
    """Return the resource, as `Type/id`, in whose place a Binary is to be protected (Binary.securityContext)."""
    link = binary.securityContext and binary.securityContext.reference
    return VERSION.sub("", link) if link else None


# Documents whose attachments may be Binaries, and where they have them.
SHOWING = {
    "DocumentReference": ("content", "attachment"),
    "DiagnosticReport": ("presentedForm",),
    "Media": ("content",),
}


def shown(document: Any) -> list[str]:
    """Return the Binaries, as `Binary/id`, that a document shows; they take its labels."""
    found = [document]
    for name in SHOWING[type(document).__name__]:
        found = [one for each in found for one in _many(getattr(each, name))]
    links = [VERSION.sub("", local(one.url or "")) for one in found]
    return [link for link in links if link.startswith("Binary/")]


def _many(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [] if given is None else [given]


# Elements that name who answers for a resource, the most direct first.
CUSTODIANS = (
    "managingOrganization",
    "custodian",
    "serviceProvider",
    "organization",
    "performer",
    "author",
    "insurer",
    "owner",
)


def custodian_of(resource: Any) -> str | None:
    """Return the id of the Organization that answers for the resource, where the resource itself says so."""
    if type(resource).__name__ == "Organization":
        return resource.id  # type: ignore[no-any-return]
    for name in CUSTODIANS:
        given = getattr(resource, name, None) or ()
        for reference in given if isinstance(given, (list, tuple)) else (given,):
            actor = getattr(reference, "actor", reference)
            if found := _local(getattr(actor, "reference", None), "Organization"):
                return found
    return None
