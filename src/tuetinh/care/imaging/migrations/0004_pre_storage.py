"""A row for each object that the record does not know yet; what the keeping of objects needs to know."""

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

    dependencies: ClassVar = [("imaging", "0003_pre_handing")]

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
        migrations.CreateModel(
            name='Stored',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.BinaryField(max_length=32, unique=True)),
                ('size', models.BigIntegerField()),
                ('stored_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Upkeep',
            fields=[
                ('job', models.CharField(max_length=10, primary_key=True, serialize=False)),
                ('cursor', models.BigIntegerField(default=0)),
                ('began_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('told_at', models.DateTimeField(null=True)),
                ('seen', models.BigIntegerField(default=0)),
                ('done', models.BigIntegerField(default=0)),
                ('saved', models.BigIntegerField(default=0)),
                ('fault', models.CharField(blank=True, max_length=300)),
            ],
        ),
        migrations.AddField(
            model_name='instance',
            name='compression',
            field=models.CharField(blank=True, db_default='', max_length=10),
        ),
        migrations.AddField(
            model_name='instance',
            name='original',
            field=models.BinaryField(max_length=32, null=True),
        ),
        migrations.AddField(
            model_name='instance',
            name='original_syntax',
            field=models.CharField(blank=True, db_collation='C', db_default='', max_length=64),
        ),
        migrations.CreateModel(
            name='Finding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sop_instance_uid', models.CharField(max_length=64)),
                ('digest', models.BinaryField(max_length=32)),
                ('fault', models.CharField(choices=[('missing', 'Missing'), ('size', 'Size'), ('content', 'Content')], max_length=10)),
                ('found_at', models.DateTimeField()),
                ('mended_at', models.DateTimeField(null=True)),
                ('instance', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to='imaging.instance')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('mended_at', None)), fields=('digest',), name='imaging_finding_open')],
            },
        ),
        migrations.CreateModel(
            name='DestroyedObject',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('decision', models.CharField(db_index=True, max_length=200)),
                ('custodian', models.CharField(max_length=64)),
                ('account', models.CharField(max_length=150)),
                ('study_instance_uid', models.CharField(max_length=64)),
                ('sop_instance_uid', models.CharField(max_length=64)),
                ('sha256', models.CharField(max_length=64)),
                ('size', models.BigIntegerField()),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='StudyHold',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('facility', models.CharField(max_length=64)),
                ('reason', models.CharField(max_length=500)),
                ('by', models.CharField(max_length=150)),
                ('at', models.DateTimeField()),
                ('released_by', models.CharField(blank=True, max_length=150)),
                ('released_at', models.DateTimeField(null=True)),
                ('study', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='holds', to='imaging.study')),
            ],
            options={
                'indexes': [models.Index(fields=['facility', '-id'], name='imaging_hold_facility')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('released_at', None)), fields=('study',), name='imaging_hold_open')],
            },
        ),
        migrations.CreateModel(
            name='PictureCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('facility', models.CharField(max_length=64)),
                ('day', models.DateField()),
                ('source', models.CharField(max_length=80)),
                ('modality', models.CharField(max_length=16)),
                ('pictures', models.PositiveBigIntegerField()),
                ('size', models.PositiveBigIntegerField()),
            ],
        ),
        migrations.AddField(
            model_name='exam',
            name='read_by',
            field=models.CharField(blank=True, db_default='', max_length=64),
        ),
        migrations.AddField(
            model_name='exam',
            name='taken_by',
            field=models.CharField(blank=True, db_default='', max_length=150),
        ),
        migrations.AddIndex(
            model_name='exam',
            index=models.Index(fields=['facility', 'ended_at'], name='imaging_exam_ended'),
        ),
        migrations.AddConstraint(
            model_name='picturecount',
            constraint=models.UniqueConstraint(fields=('facility', 'day', 'source', 'modality'), name='imaging_count_once'),
        ),
    ]
