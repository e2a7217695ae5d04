"""Let no row exist for whom it is not."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

from tuetinh.record.postgresql import policies


class Migration(migrations.Migration):
    dependencies: ClassVar = [("portal", "0001_pre_shares")]
    operations: ClassVar = [
        policies.close("portal_share"),
    ]
