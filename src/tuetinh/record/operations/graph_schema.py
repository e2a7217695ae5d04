"""What `$graphql` understands, told as GraphQL tells it: introspection, from which tools and generators learn.

R4 graphql.html asks for it. The engine (`graph`) needs no schema; one is made of the types and search parameters when
somebody asks for it. To keep it at a size that tools can work with, the ways back to a resource by references to
anything at all (`ListList(_reference: item)`) are answered, but stand here at the system alone.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from threading import Lock
from typing import Any

import graphql as core
import msgspec
from graphql.language import ast

from tuetinh.record import r4
from tuetinh.record.errors import BadRequest, TooLarge
from tuetinh.record.fhirpath.model import Kind, kinds
from tuetinh.record.search.params import Param, official
from tuetinh.record.search.parse import ELSEWHERE

# Lists of an introspection; each may be asked for this often, for one within the other grows without end.
LISTS = Counter(
    {"directives": 1, "types": 1, "fields": 1, "inputFields": 1, "interfaces": 1, "possibleTypes": 1, "args": 2}
)
OF_A_TYPE = 20  # `__type` asks one type alone, so it may come more often
ANYTHING = 100  # types; a reference that may lead to more of them may lead to anything
_TELLING = Lock()
# What every search takes, beside the parameters of its type.
RESULTS = {"_count": core.GraphQLInt, "_sort": core.GraphQLString, "_cursor": core.GraphQLString}
NATIVE = {
    "boolean": core.GraphQLBoolean,
    "integer": core.GraphQLInt,
    "string": core.GraphQLString,
    "id": core.GraphQLID,
}
DIRECTIVES = (
    core.GraphQLDirective("first", [core.DirectiveLocation.FIELD]),
    core.GraphQLDirective("flatten", [core.DirectiveLocation.FIELD]),
    core.GraphQLDirective("singleton", [core.DirectiveLocation.FIELD]),
    core.GraphQLDirective(
        "slice",
        [core.DirectiveLocation.FIELD],
        {"path": core.GraphQLArgument(core.GraphQLNonNull(core.GraphQLString))},
    ),
)

Fields = dict[str, core.GraphQLField]


def is_asked(operation: ast.OperationDefinitionNode) -> bool:
    """Whether an operation asks about the schema and nothing else."""
    parts = operation.selection_set.selections
    names = {part.name.value if isinstance(part, ast.FieldNode) else "" for part in parts}
    return names <= {"__schema", "__type", "__typename"} and names != {"__typename"}


def told(query: str, variables: bytes, operation: str | None, root: str) -> bytes:
    """The answer, packed, to a question about the schema that begins at a resource type, or ("") at the system.

    variables: as JSON. One is worked out at a time, for it takes 60 MB; whoever asks the same then finds it done.
    Raises BadRequest for what the schema does not have, TooLarge for lists within lists.
    """
    with _TELLING:
        return _told(query, variables, operation, root)


@lru_cache(maxsize=4)
def _told(query: str, variables: bytes, operation: str | None, root: str) -> bytes:
    document = core.parse(query, no_location=True)
    counted = _Names.counted(document)
    most = OF_A_TYPE if counted["__type"] and not counted["__schema"] else 1
    if any(counted[name] > most * times for name, times in LISTS.items()) or counted["__type"] > OF_A_TYPE:
        message = "the schema is asked for more than once"
        raise TooLarge(message)
    schema = _schema(root)
    if problems := core.validate(schema, document):
        raise BadRequest(f"the query does not fit the schema: {problems[0].message[:200]}", "query")
    found = core.execute_sync(
        schema, document, variable_values=msgspec.json.decode(variables), operation_name=operation
    )
    if found.errors:
        raise BadRequest(f"the schema cannot be told: {found.errors[0].message[:200]}", "query")
    return zlib.compress(msgspec.json.encode({"data": found.data}))


class _Names(core.Visitor):
    """How often each field stands in a document."""

    def __init__(self) -> None:
        super().__init__()
        self.counter = Counter[str]()

    def enter_field(self, node: ast.FieldNode, *_: object) -> None:
        self.counter[node.name.value] += 1

    @classmethod
    def counted(cls, document: ast.DocumentNode) -> Counter[str]:
        names = cls()
        core.visit(document, names)
        return names.counter


def _schema(root: str) -> core.GraphQLSchema:
    """The schema whose questions begin at a resource type or at the system."""
    types = _Types()
    query = types.of(kinds()[root]) if root else core.GraphQLObjectType("Query", types.system)
    resources = [types.of(kinds()[name]) for name in r4.RESOURCES]
    return core.GraphQLSchema(query, types=resources, directives=[*core.specified_directives, *DIRECTIVES])


class _Types:
    """GraphQL's types of those of R4, each made once."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = dict(NATIVE)
        self.pointing: Fields = {}
        self.made["Resource"] = core.GraphQLInterfaceType("Resource", lambda: self.elements(kinds()["Resource"]))
        for name in r4.RESOURCES:
            self.pointing.update(self._searches(name))

    def of(self, kind: Kind) -> Any:
        """The type of a kind: a scalar of a primitive, an object of all else."""
        if kind.name not in self.made:
            if kind.primitive:
                self.made[kind.name] = core.GraphQLScalarType(kind.name)
            elif kind.resource:
                fields: Callable[[], Fields] = lambda: self.elements(kind) | self.ways_back(kind.name)  # noqa: E731
                self.made[kind.name] = core.GraphQLObjectType(kind.name, fields, [self.made["Resource"]])
            else:
                self.made[kind.name] = core.GraphQLObjectType(kind.name, lambda: self.elements(kind))
        return self.made[kind.name]

    def elements(self, kind: Kind) -> Fields:
        """A field for each element, and for what stands beside a primitive."""
        found: Fields = {}
        for key, (_, target) in kind.keys.items():
            many = key in kind.many
            own = self.of(target)
            found[key] = core.GraphQLField(
                core.GraphQLList(own) if many else own, self.narrowed(target) if many else None
            )
            if target.primitive and key != "id":
                beside = self.of(kinds()["Element"])
                found[f"_{key}"] = core.GraphQLField(core.GraphQLList(beside) if many else beside)
        if kind.resource:
            found["resourceType"] = core.GraphQLField(core.GraphQLString)
        if kind.name == "Reference":
            arguments = {"optional": core.GraphQLBoolean, "type": self.of(kinds()["code"])}
            found["resource"] = core.GraphQLField(
                self.made["Resource"], {name: core.GraphQLArgument(own) for name, own in arguments.items()}
            )
        return found

    def narrowed(self, kind: Kind) -> dict[str, core.GraphQLArgument]:
        """What narrows a list: a place in it, an expression, the values of elements."""
        values = {"fhirpath": core.GraphQLString, "_offset": core.GraphQLInt, "_count": core.GraphQLInt}
        if not kind.primitive:
            values |= {
                key: self.of(target) for key, (step, target) in kind.keys.items() if target.primitive and key == step
            }
        return {name: core.GraphQLArgument(own) for name, own in values.items()}

    def system(self) -> Fields:
        """The fields of the system: each type by its id, and its searches."""
        by_id = {"id": core.GraphQLArgument(core.GraphQLNonNull(core.GraphQLID))}
        found = {name: core.GraphQLField(self.of(kinds()[name]), by_id) for name in r4.RESOURCES}
        for name, field in self.pointing.items():
            arguments = {own: argument for own, argument in field.args.items() if own != "_reference"}
            found[name] = core.GraphQLField(field.type, arguments)
        return found

    def ways_back(self, type_: str) -> Fields:
        """The searches for what may refer to a resource of the type."""
        return {
            name: field
            for source in r4.RESOURCES
            if any(type_ in param.targets and len(param.targets) < ANYTHING for param in _params(source))
            for name, field in self.pointing.items()
            if name in (f"{source}List", f"{source}Connection")
        }

    def _searches(self, type_: str) -> Iterator[tuple[str, core.GraphQLField]]:
        own = core.GraphQLList(core.GraphQLString)
        arguments = {name: core.GraphQLArgument(result) for name, result in RESULTS.items()}
        arguments |= {param.code.replace("-", "_"): core.GraphQLArgument(own) for param in _params(type_)}
        arguments["_reference"] = core.GraphQLArgument(self.of(kinds()["code"]))
        found = self.of(kinds()[type_])
        yield f"{type_}List", core.GraphQLField(core.GraphQLList(found), arguments)
        edge = {"mode": core.GraphQLField(core.GraphQLString), "resource": core.GraphQLField(found)}
        edges = core.GraphQLList(core.GraphQLObjectType(f"{type_}Edge", edge))
        page: dict[str, Any] = {
            "count": core.GraphQLInt,
            "pagesize": core.GraphQLInt,
            "next": core.GraphQLString,
            "edges": edges,
        }
        fields = {name: core.GraphQLField(kind) for name, kind in page.items()}
        yield f"{type_}Connection", core.GraphQLField(core.GraphQLObjectType(f"{type_}Connection", fields), arguments)


def _params(type_: str) -> list[Param]:
    """The parameters by which a type is searched."""
    return [] if type_ in ELSEWHERE else list(official(type_).values())
