from __future__ import annotations

import pytest
from django.db import connection

from tuetinh.record.types import RESOURCE_TYPES


@pytest.mark.django_db
def test_each_resource_type_has_its_partitions() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'record'"
        )
        names = {row[0] for row in cursor.fetchall()}
    for type_ in RESOURCE_TYPES:
        assert {type_, f"{type_}_date", f"{type_}_number", f"{type_}_string", f"{type_}_history"} <= names
