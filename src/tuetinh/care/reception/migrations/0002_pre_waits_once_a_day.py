"""A person left waiting in a room yesterday may wait there again today."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Widen the constraint by the day."""

    dependencies: ClassVar = [("reception", "0001_pre_queue")]
    operations: ClassVar = [
        migrations.RemoveConstraint(model_name="turn", name="reception_waits_once"),
        migrations.AddConstraint(
            model_name="turn",
            constraint=models.UniqueConstraint(
                fields=["patient", "room", "day"],
                condition=models.Q(state__in=("waiting", "called", "in-progress", "away")),
                name="reception_waits_once",
            ),
        ),
    ]
