"""The engine behind `$graphql`: FHIR's reading of GraphQL over stored JSON, as a record step.

graphql-core reads the question; here it is answered, because FHIR's lists, references, searches and directives
(graphql.html, 3.2.0.5) are resolved by database steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import graphql as core
from django.conf import settings
from graphql.language import ast

from tuetinh.record import built_in, permits, r4, versioning
from tuetinh.record.asker import Asker
from tuetinh.record.errors import BadRequest, Gone, NotFound, TooLarge, Unprocessable, issues_of
from tuetinh.record.fhirpath import FHIRPathError, Node, compile
from tuetinh.record.fhirpath.model import kinds
from tuetinh.record.fhirpath.nodes import root as node_of
from tuetinh.record.search import run as searching
from tuetinh.record.search.params import params
from tuetinh.record.steps import Step
from tuetinh.record.validate.parse import quick

MAX_TOKENS, MAX_DEPTH, MAX_FIELDS, MAX_LOADED = 5_000, 20, 50_000, 2_000
Json = dict[str, Any]
Root = bytes | None


class Out:
    """An object of the answer while it grows: each name with its values, and whether it is one value or a list."""

    def __init__(self) -> None:
        self.values: dict[str, list[Any]] = {}
        self.single: dict[str, str] = {}

    def add(self, name: str, values: list[Any], mode: str) -> None:
        """mode: `list`, `single` (a list when it comes again), or `only` (an error when it comes again)."""
        if not values:
            return
        before = self.values.setdefault(name, [])
        before += values
        self.single[name] = mode if len(before) == len(values) or mode == "only" else "list"
        if mode == "only" and len(before) > 1:
            message = f"{name} is a @singleton, but has {len(before)} values"
            raise Unprocessable(message, name)

    def plain(self) -> Json:
        """The object as JSON."""
        return {n: v if self.single[n] == "list" or len(v) > 1 else v[0] for n, v in self.values.items()}


class Asking:
    """One question on behalf of an asker. `seen` gathers what it showed."""

    def __init__(self, asker: Asker, query: str, variables: Json, operation: str | None) -> None:
        self.asker, self.variables = asker, variables
        self.seen: list[tuple[str, str, str | None]] = []
        self.fields = self.loaded = 0
        try:
            document = core.parse(query, max_tokens=MAX_TOKENS, no_location=True)
        except core.GraphQLError as error:
            raise BadRequest(f"the query is no GraphQL: {error.message[:200]}", "query") from error
        except RecursionError as error:
            message = "the query is nested too deeply"
            raise BadRequest(message, "query") from error
        self.fragments = {d.name.value: d for d in document.definitions if isinstance(d, ast.FragmentDefinitionNode)}
        found = [d for d in document.definitions if isinstance(d, ast.OperationDefinitionNode)]
        named = [d for d in found if operation is None or (d.name and d.name.value == operation)]
        if len(named) != 1 or named[0].operation != core.OperationType.QUERY:
            message = "the query must have one operation, a query, or the one that operationName names"
            raise BadRequest(message, "query")
        self.operation = named[0]
        self.declared = {v.variable.name.value for v in self.operation.variable_definitions or ()}
        for variable in self.operation.variable_definitions or ():
            if variable.default_value is not None:
                self.variables.setdefault(variable.variable.name.value, self.value(variable.default_value))

    def answer(self, root: Root) -> Step[Json]:
        """The data for a resource, or (None) for the whole system."""
        out = Out()
        node = node_of(quick(root)) if root is not None else None
        yield from self.select(self.operation.selection_set, node, out, 0)
        return out.plain()

    def select(
        self,
        chosen: ast.SelectionSetNode,
        node: Node | None,
        out: Out,
        depth: int,
        suffix: str = "",
        *,
        many: bool = False,
    ) -> Step[None]:
        """Add the selected fields of a node (None: the system) to an object. many: every value becomes a list."""
        if depth > MAX_DEPTH:
            message = f"the query is deeper than {MAX_DEPTH} levels"
            raise TooLarge(message)
        for part in chosen.selections:
            if not self.wanted(part):
                continue
            if isinstance(part, ast.FieldNode):
                self.fields += 1
                if self.fields > MAX_FIELDS:
                    message = f"the answer has more than {MAX_FIELDS} fields"
                    raise TooLarge(message)
                yield from self.field(part, node, out, depth, suffix, many=many)
                continue
            fragment: Any = part
            if isinstance(part, ast.FragmentSpreadNode):
                fragment = self.fragments.get(part.name.value)
                if fragment is None:
                    message = f"there is no fragment {part.name.value[:80]!r}"
                    raise BadRequest(message, "query")
            condition = fragment.type_condition
            if condition is None or node is None or node.kind.is_a(condition.name.value):
                yield from self.select(fragment.selection_set, node, out, depth + 1, suffix, many=many)

    def field(self, field: ast.FieldNode, node: Node | None, out: Out, depth: int, suffix: str, *, many: bool) -> Step[None]:  # noqa: E501  # fmt: skip
        name = field.name.value
        label = (field.alias.value if field.alias else name) + suffix
        if name == "__typename" and node is None:
            out.add(label, ["Query"], "single")
        elif name in ("__typename", "resourceType") and node is not None:
            out.add(label, [node.kind.name], "list" if many else "single")
        elif (found := _search_of(name)) and (node is None or node.kind.resource):
            yield from self.search(field, found, node, out, label, depth)
        elif node is None:
            yield from self.one(field, out, label, depth)
        else:
            nodes, listed = yield from self.nodes(field, node)
            yield from self.put(field, nodes, out, label, depth, listed=listed or many)

    # -- elements -----------------------------------------------------------------------------------------------------

    def nodes(self, field: ast.FieldNode, node: Node) -> Step[tuple[list[Node], bool]]:
        """The elements that a field means, and whether they are a list."""
        name, kind = field.name.value, node.kind
        if name == "resource" and kind.name == "Reference":
            return (yield from self.target(field, node)), False
        bare = name.removeprefix("_")
        if bare not in kind.keys:
            message = f"{kind.name} has no element {name[:80]!r}"
            raise BadRequest(message, name[:80])
        found = [child for child in node.child(kind.keys[bare][0]) if child.key == bare]
        if bare != name:
            element = kinds()["Element"]
            found = [Node(c.beside, element, None, node, name, c.index) for c in found if c.beside is not None]
        return self.filtered(field, found), bare in kind.many

    def filtered(self, field: ast.FieldNode, nodes: list[Node]) -> list[Node]:
        """Arguments of a list: `fhirpath`, `_offset`, `_count`, and elements that must have a value."""
        arguments = self.arguments(field)
        offset, count = arguments.pop("_offset", None), arguments.pop("_count", None)
        for name, value in arguments.items():
            if name == "fhirpath":
                nodes = [n for n in nodes if _true(str(value), n)]
            else:
                nodes = [n for n in nodes if any(_text(c.value) == _text(value) for c in n.child(name))]
        start = offset if type(offset) is int and offset > 0 else 0
        return nodes[start : start + count] if type(count) is int and count >= 0 else nodes[start:]

    def put(self, field: ast.FieldNode, nodes: list[Node], out: Out, label: str, depth: int, *, listed: bool) -> Step[None]:  # noqa: E501  # fmt: skip
        """Add elements to the object, as the directives say."""
        directives = {d.name.value: d for d in field.directives or ()}
        if "first" in directives:
            nodes = nodes[:1]
        mode = "only" if "singleton" in directives else "list" if listed else "single"
        for place, node in enumerate(nodes):
            suffix = self.slice(directives.get("slice"), node, place)
            if node.kind.primitive:
                if field.selection_set:
                    message = f"{field.name.value} is a value without elements"
                    raise BadRequest(message, field.name.value)
                if node.value is not None:
                    out.add(label + suffix, [node.value], mode)
            elif field.selection_set is None:
                message = f"{field.name.value} needs a selection of its elements"
                raise BadRequest(message, field.name.value)
            elif "flatten" in directives:
                yield from self.select(field.selection_set, node, out, depth + 1, suffix, many=True)
            else:
                inner = Out()
                yield from self.select(field.selection_set, node, inner, depth + 1)
                out.add(label + suffix, [inner.plain()], mode)

    def slice(self, directive: ast.DirectiveNode | None, node: Node, place: int) -> str:
        """`@slice(path:)`: what is put behind the names."""
        if directive is None:
            return ""
        path = str(self.arguments(directive).get("path", ""))
        if path == "$index":
            return f".{place}"
        try:
            values = compile(path).evaluate(node, context=node)
        except FHIRPathError as error:
            raise BadRequest(f"the path of @slice cannot be followed: {str(error)[:100]}", "path") from error
        return f".{values[0]}" if values else ""

    # -- other resources ----------------------------------------------------------------------------------------------

    def target(self, field: ast.FieldNode, node: Node) -> Step[list[Node]]:
        """The resource that a reference leads to; Unprocessable when it is not here and not `optional`."""
        arguments = self.arguments(field)
        text = str(node.value.get("reference", ""))
        found: Node | None = None
        parts = text.partition("/_history/")[0].split("/")
        if text.startswith("#") and (holder := node.resource) is not None:
            found = next((c for c in holder.child("contained") if c.value.get("id") == text[1:]), None)
        elif len(parts) == 2 and parts[0] in r4.RESOURCES and versioning.is_id(parts[1]):
            found = yield from self.load(*parts)
        if found is None:
            if arguments.get("optional") is True:
                return []
            message = f"the reference {text[:200]} leads to nothing here"
            raise Unprocessable(message, node.path)
        wanted = arguments.get("type")
        return [found] if wanted in (None, found.kind.name) else []

    def load(self, type_: str, id_: str) -> Step[Node | None]:
        self.spend(1)
        try:
            found = yield from built_in.read(self.asker, type_, id_)
        except (NotFound, Gone):
            return None
        self.seen.append((type_, id_, found.patient))
        return node_of(quick(found.body or b""))

    def spend(self, number: int) -> None:
        self.loaded += number
        if self.loaded > MAX_LOADED:
            message = f"the query looks at more than {MAX_LOADED} resources"
            raise TooLarge(message)

    def one(self, field: ast.FieldNode, out: Out, label: str, depth: int) -> Step[None]:
        """`Patient(id: …)` on the system."""
        name, id_ = field.name.value, str(self.arguments(field).get("id", ""))
        if name not in r4.RESOURCES or not versioning.is_id(id_):
            message = f"{name[:80]!r} is no resource type with an id, nor a search"
            raise BadRequest(message, name[:80])
        permits.allow(self.asker, "r", name)
        node = yield from self.load(name, id_)
        if node is None:
            message = f"{name}/{id_} is not known"
            raise Unprocessable(message, name)
        yield from self.put(field, [node], out, label, depth, listed=False)

    def search(self, field: ast.FieldNode, what: tuple[str, str], node: Node | None, out: Out, label: str, depth: int) -> Step[None]:  # noqa: PLR0917, E501  # fmt: skip
        """`PatientList(…)` and `PatientConnection(…)`; below a resource, `_reference` names the way back to it."""
        type_, form = what
        permits.allow(self.asker, "s", type_)
        arguments = self.arguments(field)
        page = arguments.pop("_cursor", None)
        pairs = []
        for name, value in arguments.items():
            if name == "_reference" and node is not None:
                pairs.append((str(value), f"{node.kind.name}/{node.value.get('id')}"))
            else:
                known = name if name in params(type_) else name.replace("_", "-")
                pairs.append((known if known in params(type_) else name, _text(value)))
        wanted, problems = yield from searching.read(type_, pairs)
        if any(p.severity == "error" for p in problems):
            raise BadRequest(issues=issues_of(problems))
        if form != "List" and any(part.name.value == "count" for part in self.plain_fields(field)):
            wanted = replace(wanted, total="accurate")
        secret = settings.SECRET_KEY.encode()
        try:
            found = yield from built_in.search(self.asker, wanted, secret=secret, page=page and str(page))
        except searching.PageRefused as error:
            message = "the cursor is not of this search"
            raise BadRequest(message, "_cursor") from error
        self.spend(len(found.hits))
        self.seen += [(hit.type, "", hit.patient) for hit in found.hits] or [(type_, "", None)]
        nodes = [node_of(quick(hit.body)) for hit in found.hits if hit.mode == "match"]
        if form == "List":
            yield from self.put(field, nodes, out, label, depth, listed=True)
        else:
            data = {
                "count": found.total,
                "pagesize": wanted.count,
                "next": found.next,
                "__typename": f"{type_}Connection",
            }
            inner = yield from self.connection(field, data, nodes, depth + 1)
            out.add(label, [inner], "single")

    def connection(self, field: ast.FieldNode, data: Json, nodes: list[Node], depth: int) -> Step[Json]:
        """A page of a search: its size, its edges, and the cursor of the page after it."""
        out = Out()
        for part in self.plain_fields(field):
            name = part.name.value
            label = part.alias.value if part.alias else name
            if name in ("count", "pagesize", "next", "first", "previous", "last", "offset", "__typename"):
                out.add(label, [v] if (v := data.get(name)) is not None else [], "single")
            elif name == "edges":
                for node in nodes:
                    edge = Out()
                    for inner in self.plain_fields(part):
                        if inner.name.value == "mode":
                            edge.add("mode", ["match"], "single")
                        elif inner.name.value == "__typename":
                            edge.add("__typename", [f"{node.kind.name}Edge"], "single")
                        elif inner.name.value == "resource":
                            yield from self.put(inner, [node], edge, "resource", depth + 1, listed=False)
                    out.add(label, [edge.plain()], "list")
            else:
                message = f"a connection has no element {name[:80]!r}"
                raise BadRequest(message, name[:80])
        return out.plain()

    # -- the question -------------------------------------------------------------------------------------------------

    def plain_fields(self, field: ast.FieldNode) -> Iterator[ast.FieldNode]:
        for part in field.selection_set.selections if field.selection_set else ():
            if isinstance(part, ast.FieldNode) and self.wanted(part):
                yield part

    def wanted(self, part: ast.SelectionNode) -> bool:
        """`@skip` and `@include`."""
        for directive in part.directives or ():
            name = directive.name.value
            if name in ("skip", "include") and bool(self.arguments(directive).get("if")) == (name == "skip"):
                return False
        return True

    def arguments(self, part: ast.FieldNode | ast.DirectiveNode) -> Json:
        given = {argument.name.value: self.value(argument.value) for argument in part.arguments or ()}
        return {name: value for name, value in given.items() if value is not None}

    def value(self, node: ast.ValueNode) -> Any:
        if isinstance(node, ast.VariableNode):
            if node.name.value not in self.declared:
                message = f"the variable ${node.name.value[:80]} is not declared"
                raise BadRequest(message, node.name.value[:80])
            return self.variables.get(node.name.value)
        if isinstance(node, ast.IntValueNode):
            return int(node.value) if len(node.value) < 19 else node.value
        if isinstance(node, ast.ListValueNode):
            return [self.value(v) for v in node.values]
        return getattr(node, "value", None)


def _search_of(name: str) -> tuple[str, str] | None:
    """The resource type and the form of a search field."""
    for form in ("List", "Connection"):
        if name.endswith(form) and name.removesuffix(form) in r4.RESOURCES:
            return name.removesuffix(form), form
    return None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(_text, value)) if isinstance(value, list) else str(value)


def _true(expression: str, node: Node) -> bool:
    try:
        return compile(expression).holds(node, context=node)
    except FHIRPathError as error:
        raise BadRequest(f"fhirpath: {str(error)[:200]}", "fhirpath") from error
