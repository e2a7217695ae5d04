"""The codes of analysers are rows now."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):

    dependencies: ClassVar = [("lab", "0002_pre_analysers_codes")]

    operations: ClassVar = [migrations.RemoveField("analyser", "codes")]
