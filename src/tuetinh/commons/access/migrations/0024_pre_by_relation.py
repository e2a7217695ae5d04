"""A rule sees by relation where nothing else is said, as what ships does; every rule that was made says it itself."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("access", "0023_post_targets")]
    operations: ClassVar = [
        migrations.AlterField(model_name="sightrule", name="by_relation", field=models.BooleanField(default=True))
    ]
