"""A row for each object that the record does not know yet, so that senders do not wait for each other."""

from __future__ import annotations

from importlib import import_module
from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models

first = import_module("tuetinh.care.imaging.migrations.0001_pre_archive")
MOVED = """
SET LOCAL tuetinh.everything = 'yes';
INSERT INTO imaging_pending (study_id, at) SELECT study_id, at FROM imaging_pending_before;
DROP TABLE imaging_pending_before"""


class Migration(migrations.Migration):

    dependencies: ClassVar = [("imaging", "0001_pre_archive")]

    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL("ALTER TABLE imaging_pending RENAME TO imaging_pending_before"),
            ],
            state_operations=[migrations.DeleteModel(name='Pending')],
        ),
        migrations.CreateModel(
            name='Pending',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('study', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='imaging.study')),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.RunSQL(MOVED),
        migrations.RunSQL(first.DOOR.format(table="imaging_pending", rows=first.BELOW.format(table="imaging_pending"))),
    ]
