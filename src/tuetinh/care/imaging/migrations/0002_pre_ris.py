"""Rooms and appointments, rules as data, checks of safety, the dose register."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


# No room is taken twice at a time. PostgreSQL alone has no GiST of numbers, so a room is a range of one.
ALONE = """ALTER TABLE imaging_booking ADD CONSTRAINT imaging_booking_alone EXCLUDE USING gist (
  int8range(room_id, room_id, '[]') WITH &&, tstzrange(starts, ends) WITH &&) WHERE (cancelled_at IS NULL)"""


class Migration(migrations.Migration):

    dependencies: ClassVar = [
        ('imaging', '0001_pre_archive'),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name='Chosen',
            fields=[
                ('exam', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='chosen', serialize=False, to='imaging.exam')),
                ('protocol', models.CharField(max_length=40)),
            ],
        ),
        migrations.CreateModel(
            name='DoseDue',
            fields=[
                ('study_instance_uid', models.CharField(db_collation='C', max_length=64, primary_key=True, serialize=False)),
                ('at', models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name='SafetyCheck',
            fields=[
                ('exam', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='safety', serialize=False, to='imaging.exam')),
                ('response', models.CharField(max_length=64)),
                ('found', models.JSONField(default=list)),
                ('answered_by', models.CharField(max_length=150)),
                ('answered_at', models.DateTimeField()),
                ('overridden', models.JSONField(default=list)),
                ('overridden_by', models.CharField(blank=True, max_length=150)),
                ('overridden_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Room',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('facility', models.CharField(max_length=64)),
                ('name', models.CharField(max_length=100)),
                ('modalities', models.JSONField(default=list)),
                ('opens', models.TimeField()),
                ('closes', models.TimeField()),
                ('days', models.CharField(max_length=7)),
                ('slot', models.PositiveSmallIntegerField()),
                ('enabled', models.BooleanField(default=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('facility', 'name'), name='imaging_room_once')],
            },
        ),
        migrations.CreateModel(
            name='RoomMachine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('device', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='place', to='imaging.device')),
                ('room', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='machines', to='imaging.room')),
            ],
        ),
        migrations.CreateModel(
            name='RuleChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=12)),
                ('code', models.CharField(max_length=40)),
                ('facility', models.CharField(blank=True, max_length=64)),
                ('content', models.JSONField()),
                ('at', models.DateTimeField()),
                ('account', models.CharField(max_length=150)),
                ('why', models.CharField(max_length=500)),
            ],
            options={
                'indexes': [models.Index(fields=['facility', 'code', '-id'], name='imaging_rule_newest')],
            },
        ),
        migrations.CreateModel(
            name='Dose',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('study_instance_uid', models.CharField(db_collation='C', max_length=64, unique=True)),
                ('facility', models.CharField(max_length=64)),
                ('patient', models.CharField(blank=True, max_length=64)),
                ('modality', models.CharField(max_length=16)),
                ('at', models.DateTimeField()),
                ('machine', models.CharField(max_length=200)),
                ('protocol', models.CharField(blank=True, max_length=200)),
                ('region', models.CharField(blank=True, max_length=100)),
                ('description', models.CharField(blank=True, max_length=300)),
                ('age', models.PositiveSmallIntegerField(null=True)),
                ('ctdi', models.DecimalField(decimal_places=3, max_digits=12, null=True)),
                ('dlp', models.DecimalField(decimal_places=3, max_digits=12, null=True)),
                ('dap', models.DecimalField(decimal_places=5, max_digits=14, null=True)),
                ('agd', models.DecimalField(decimal_places=3, max_digits=12, null=True)),
                ('seconds', models.DecimalField(decimal_places=2, max_digits=12, null=True)),
                ('events', models.JSONField(default=list)),
                ('source', models.CharField(choices=[('rdsr', 'Rdsr'), ('images', 'Images'), ('mpps', 'Mpps')], max_length=8)),
                ('exam', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='doses', to='imaging.exam')),
            ],
            options={
                'indexes': [models.Index(fields=['facility', 'modality', 'at'], name='imaging_dose_at'), models.Index(condition=models.Q(('patient', ''), _negated=True), fields=['patient', 'at'], name='imaging_dose_patient')],
            },
        ),
        migrations.CreateModel(
            name='Booking',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts', models.DateTimeField()),
                ('ends', models.DateTimeField()),
                ('note', models.CharField(blank=True, max_length=200)),
                ('account', models.CharField(max_length=150)),
                ('at', models.DateTimeField()),
                ('cancelled_at', models.DateTimeField(null=True)),
                ('cancelled_by', models.CharField(blank=True, max_length=150)),
                ('why', models.CharField(blank=True, max_length=300)),
                ('exam', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='bookings', to='imaging.exam')),
                ('room', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='bookings', to='imaging.room')),
            ],
            options={
                'indexes': [models.Index(fields=['room', 'starts'], name='imaging_booking_day')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('cancelled_at', None)), fields=('exam',), name='imaging_booking_of_exam')],
            },
        ),
        migrations.RunSQL(ALONE, "ALTER TABLE imaging_booking DROP CONSTRAINT imaging_booking_alone"),
    ]
