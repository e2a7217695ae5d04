"""The Provenances of what was exported (`includeAssociatedData`), each written once.

A Provenance comes with the first of its targets that is exported, in the order of the work; not at all where it is
exported by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tuetinh.record import r4
from tuetinh.record.bulk.reading import groups, rows
from tuetinh.record.hashes import token_hash
from tuetinh.record.search import json_paths
from tuetinh.record.search.entries import local
from tuetinh.record.search.params import official
from tuetinh.record.search.where import Sql, bigints
from tuetinh.record.statements import array

if TYPE_CHECKING:
    from tuetinh.record.bulk.export import Export, Part, Seen

TYPE = "Provenance"


class _Exported(NamedTuple):
    """Where an exported resource stands in the order of the work, and its version."""

    order: tuple[int, int, int]
    version: int


def write(work: Export, part: Part, condition: Sql, keys: Sequence[int], seen: Seen) -> int:
    """Write the Provenances of these rows; returns how many bytes."""
    sql = f'SELECT r.key, r.id FROM record."{part.type}" r WHERE r.key = ANY(%s::bigint[]) AND {condition.all_of()}'
    mine = {row[0]: row[1] for row in rows(work.job.asker, sql, [bigints(keys), *condition.params])}
    names = official(TYPE)["target"].indexed_as
    hashes = [token_hash(name, f"{part.type}/{id_}") for id_ in mine.values() for name in names]
    own = work.of_type(TYPE, [""])
    those = f"r.key <= %s AND {own.all_of()}"
    sql = f'SELECT r.key, octet_length(r.body) FROM record."{TYPE}" r WHERE r.tokens && %s::bigint[] AND {those}'
    params = [bigints(hashes), work.place["top"], *own.params]
    sizes = [(row[0], row[1]) for row in rows(work.job.asker, f"{sql} ORDER BY r.key", params)]
    sql = f'SELECT r.id, r.patient, r.body FROM record."{TYPE}" r WHERE r.key = ANY(%s::bigint[]) AND {those}'
    written = 0
    for group in groups(sizes):
        params = [bigints([key for key, _ in group]), *params[1:]]
        found = rows(work.job.asker, f"{sql} ORDER BY r.key", params)
        targets = {id_: list(_targets(r4.decode(bytes(body)))) for id_, _, body in found}
        exported = _exported(work, {(TYPE, id_) for id_ in targets} | {t[:2] for ts in targets.values() for t in ts})
        for id_, patient, body in found:
            first = min(_orders(work, targets[id_], exported), default=None)
            is_mine = first is not None and first[0] == work.asked["types"].index(part.type) and first[2] in mine
            if is_mine and (TYPE, id_) not in exported:
                written += work.add("output", TYPE, work.cut(TYPE, body))
                seen[TYPE].add(patient or "")
    return written


def _targets(provenance: Any) -> Iterator[tuple[str, str, str]]:
    """Type, id and version ("" for none) of what a Provenance is about."""
    for text in json_paths.texts(official(TYPE)["target"], provenance):
        name, _, version = local(text).partition("/_history/")
        type_, _, id_ = name.partition("/")
        if type_ in r4.RESOURCES:
            yield type_, id_, version


def _orders(
    work: Export, targets: Sequence[tuple[str, str, str]], exported: dict[tuple[str, str], _Exported]
) -> Iterator[tuple[int, int, int]]:
    for type_, id_, version in targets:
        one = exported.get((type_, id_))
        if one and (work.asked["associated"] == "relevant" or version in ("", str(one.version))):
            yield one.order


def _exported(work: Export, names: set[tuple[str, str]]) -> dict[tuple[str, str], _Exported]:
    """Those of the resources, by type and id, that are exported by themselves."""
    found = {}
    for number, type_ in enumerate(work.asked["types"]):
        ids = sorted(id_ for name, id_ in names if name == type_)
        if not ids:
            continue
        condition = work.condition(work.output(type_))
        sql = (
            f'SELECT r.id, r.key, r.version, r.patient FROM record."{type_}" r'
            f" WHERE r.type = '{type_}' AND r.id = ANY(%s::text[]) AND {condition.all_of()}"
        )
        for id_, key, version, patient in rows(work.job.asker, sql, [array(ids), *condition.params]):
            batch = work.batch_of(patient)
            if batch is not None:
                found[type_, id_] = _Exported((number, batch, key), version)
    return found
