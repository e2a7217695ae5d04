"""Search of the record: official R4 search parameters, extracted on write, compiled to one SQL statement on read.

For the store (on write)::

    index.extract(resource) -> Index
        tokens: list[int]                                   the `tokens` column (distinct, sorted)
        dates: list[tuple[param, low, high]]                texts for `%s::timestamptz`; may be '-infinity' / 'infinity'
        numbers: list[tuple[param, system, code, unit, low, high, base, base_low, base_high]]
            unit: as printed if not the code, or None; base: canonical UCUM unit or None; bounds: may be infinite
        strings: list[tuple[param, norm, exact]]
        Columns as in `record.date_index`, `number_index`, `string_index` after (type, shard, key). Never raises on a
        decoded resource; `_id`, `_lastUpdated` are columns of the row and no entries.
    index.shard_of(resource) -> tuple[str, str | None]      (shard, patient id or None); resource.id must be set
    index.custodian_of(resource) -> str | None              id of the Organization that answers for it

For the doors (on read)::

    parse.parse(type_, query, *, lenient=False) -> tuple[Search, list[Problem]]
        type_: a resource type, or None for a search over all types (`_type=A,B`, `_id`, `_lastUpdated`).
        query: the raw query string, or decoded (name, value) pairs (POST _search: append the form's pairs).
        Any problem of severity "error" means 400; with lenient=True unknown parameters and modifiers come back as
        "warning" and are left out of the Search. `Search.params` has what was understood, for the self link:
        `Search.query()`. `Search.format`, `.pretty`, `.summary`, `.elements`, `.count`, `.total` are for the door.
    run.search(asker, search, *, secret: bytes, page: str | None = None) -> Step[Found]
        Found.hits: list[Hit(type, id, key, version, updated, mode, body)], mode "match" or "include", body: bytes
        exactly as stored; Found.next: page token or None (hand it back as `page`, with the same search and asker);
        Found.total: int or None. Raises PageRefused for a page token that is forged, or of another search or asker.
        A search that may match nothing for the asker returns nothing: the compartment of `asker.patient` is part of
        the statement.
    run.total(asker, search) -> Step[int]                   exact count
    run.matching(asker, search, limit) -> Step[list[tuple[type, id, key, version]]]
        for conditional create, update and delete: the first matches without their bodies.
"""

from __future__ import annotations
