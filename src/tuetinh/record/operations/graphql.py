"""`$graphql` (R4 graphql.html) on the system, a type or a resource: one question, one answer, many resources."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

from tuetinh.record import built_in, r4
from tuetinh.record.errors import BadRequest
from tuetinh.record.operations import graph, graph_schema
from tuetinh.record.operations.declare import Asked, Operation, Out, Param, Reply, of_some_type
from tuetinh.record.steps import Step, computed

JSON, GRAPHQL = "application/json", "application/graphql"


class _Question(msgspec.Struct):
    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None


def graphql(asked: Asked) -> Step[Reply]:
    """The data, as `{"data": …}`. A question that is wrong, or too much at once, is refused with its reason."""
    question = _question(asked)
    root: graph.Root = None
    seen: list[tuple[str, str, str | None]] = []
    if asked.id:
        found = yield from built_in.read(asked.asker, asked.type, asked.id)
        root = found.body
        seen.append((asked.type, asked.id, found.patient))
    variables = question.variables or {}
    asking = graph.Asking(asked.asker, question.query, variables, question.operationName)
    if graph_schema.is_asked(asking.operation):
        given, start = msgspec.json.encode(variables), asked.type if asked.id else ""
        packed = yield from computed(lambda: graph_schema.told(question.query, given, question.operationName, start))
        return Reply(zlib.decompress(packed), media=f"{JSON}; charset=utf-8", seen=seen)
    data = yield from asking.answer(root)
    body = msgspec.json.Encoder(decimal_format="number").encode({"data": data})
    return Reply(body, media=f"{JSON}; charset=utf-8", seen=[*seen, *asking.seen])


def _question(asked: Asked) -> _Question:
    if not asked.body:
        if (query := asked.one("query")) is None:
            message = "$graphql needs a query"
            raise BadRequest(message, "query")
        return _Question(query)
    if asked.media == GRAPHQL:
        return _Question(asked.body.decode("utf-8", "replace"))
    try:
        return msgspec.json.decode(asked.body, type=_Question)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body is no GraphQL question: {str(error)[:200]}") from error


OPERATIONS = (
    Operation(
        "graphql",
        "http://hl7.org/fhir/OperationDefinition/Resource-graphql",
        ("system", "type", "instance"),
        graphql,
        types=frozenset(r4.RESOURCES),
        letter="",
        who=of_some_type("r"),
        params=(Param("query", "string"),),
        out=(Out("result", "Binary", 1),),
        takes=frozenset({JSON, GRAPHQL}),
        media=frozenset({JSON}),
    ),
)
