"""Let searches compare quantities across units and follow references in SQL.

`record.token_hash` is `tuetinh.record.hashes.token_hash` of parts that are joined by U+001F already.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from tuetinh.record.types import RESOURCE_TYPES

CREATE = """
CREATE FUNCTION record.token_hash(parts text) RETURNS bigint
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$ SELECT ('x' || left(encode(sha256(convert_to(parts, 'UTF8')), 'hex'), 16))::bit(64)::bigint $$;

-- Texts at the ends of JSON paths in a stored resource, and the ids in references to one type.
CREATE FUNCTION record.texts(body bytea, paths jsonpath[]) RETURNS SETOF text
  LANGUAGE sql STABLE STRICT PARALLEL SAFE ROWS 2 AS
$$ SELECT found #>> '{}' FROM (SELECT convert_from(body, 'UTF8')::jsonb AS it OFFSET 0) resource,
   unnest(paths) path, jsonb_path_query(resource.it, path) found $$;
CREATE FUNCTION record.links(body bytea, paths jsonpath[], target text) RETURNS text[]
  LANGUAGE sql STABLE STRICT PARALLEL SAFE AS
$$ SELECT coalesce(array_agg(split_part(link, '/', 2)), '{}') FROM record.texts(body, paths) link
   WHERE starts_with(link, target || '/') $$;

ALTER TABLE record.number_index
  ADD COLUMN unit text COLLATE "C",      -- the printed unit where it is not the code
  ADD COLUMN base text COLLATE "C",      -- canonical UCUM unit, null where there is none
  ADD COLUMN base_low numeric,           -- low and high in it
  ADD COLUMN base_high numeric;
"""
REVERSE = """
ALTER TABLE record.number_index DROP COLUMN unit, DROP COLUMN base, DROP COLUMN base_low, DROP COLUMN base_high;
DROP FUNCTION record.links;
DROP FUNCTION record.texts;
DROP FUNCTION record.token_hash;
"""


def index(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    for type_ in RESOURCE_TYPES:
        editor.execute(
            f'CREATE INDEX "{type_}_number_base_idx" ON record."{type_}_number" (param, base, base_low, key)'
            " WHERE base IS NOT NULL"
        )


class Migration(migrations.Migration):
    dependencies: ClassVar = [("record", "0006_pre_terminology")]
    operations: ClassVar = [
        migrations.RunSQL(CREATE, REVERSE),
        migrations.RunPython(index, migrations.RunPython.noop),
    ]
