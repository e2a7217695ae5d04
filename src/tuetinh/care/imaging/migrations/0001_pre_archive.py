"""The archive's index, machines, examinations, and what waits; row policies for the index."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


# The index exists for whom the ImagingStudy would: see record/sql/lets.sql.
EVERYTHING = "nullif(current_setting('tuetinh.everything', true) = 'yes', false) IS NOT NULL"
CLOSED = "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
DOOR = CLOSED + " CREATE POLICY door ON {table} USING ({rows}) WITH CHECK ({rows});"
STUDY = f"{EVERYTHING} OR record.lets('ImagingStudy', patient, custodian, 0)"
BELOW = EVERYTHING + " OR EXISTS (SELECT FROM imaging_study s WHERE s.id = {table}.study_id)"
POLICIES = [
    DOOR.format(table="imaging_study", rows=STUDY),
    *(DOOR.format(table=table, rows=BELOW.format(table=table)) for table in ("imaging_series", "imaging_instance", "imaging_pending")),
]


class Migration(migrations.Migration):

    initial = True

    dependencies: ClassVar = [("record", "0013_pre_row_policies")]

    operations: ClassVar = [
        migrations.CreateModel(
            name='Instance',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sop_instance_uid', models.CharField(db_collation='C', max_length=64, unique=True)),
                ('sop_class_uid', models.CharField(db_collation='C', max_length=64)),
                ('transfer_syntax_uid', models.CharField(db_collation='C', max_length=64)),
                ('instance_number', models.BigIntegerField(null=True)),
                ('attributes', models.JSONField()),
                ('digest', models.BinaryField(max_length=32)),
                ('size', models.BigIntegerField()),
                ('source', models.CharField(max_length=80)),
                ('received_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Study',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('study_instance_uid', models.CharField(db_collation='C', max_length=64, unique=True)),
                ('resource', models.CharField(max_length=64, unique=True)),
                ('custodian', models.CharField(max_length=64)),
                ('patient', models.CharField(max_length=64, null=True)),
                ('order', models.CharField(blank=True, max_length=64)),
                ('encounter', models.CharField(blank=True, max_length=64)),
                ('patient_id', models.CharField(blank=True, db_collation='C', max_length=64)),
                ('name_words', models.CharField(blank=True, db_collation='C', max_length=330)),
                ('patient_birth_date', models.DateField(null=True)),
                ('patient_sex', models.CharField(blank=True, max_length=16)),
                ('study_date', models.DateField(null=True)),
                ('study_time', models.TimeField(null=True)),
                ('accession_number', models.CharField(blank=True, db_collation='C', max_length=64)),
                ('study_id', models.CharField(blank=True, db_collation='C', max_length=64)),
                ('study_description', models.CharField(blank=True, max_length=200)),
                ('referrer_words', models.CharField(blank=True, db_collation='C', max_length=330)),
                ('attributes', models.JSONField()),
                ('received_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Series',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('series_instance_uid', models.CharField(db_collation='C', max_length=64, unique=True)),
                ('modality', models.CharField(blank=True, db_collation='C', max_length=16)),
                ('series_number', models.BigIntegerField(null=True)),
                ('attributes', models.JSONField()),
            ],
        ),
        migrations.CreateModel(
            name='Step',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sop_instance_uid', models.CharField(db_collation='C', max_length=64, unique=True)),
                ('facility', models.CharField(max_length=64)),
                ('title', models.CharField(max_length=16)),
                ('status', models.CharField(max_length=16)),
                ('attributes', models.JSONField()),
                ('created_at', models.DateTimeField()),
                ('changed_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Device',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('title', models.CharField(max_length=16)),
                ('facility', models.CharField(max_length=64)),
                ('name', models.CharField(max_length=100)),
                ('modality', models.CharField(blank=True, max_length=16)),
                ('address', models.GenericIPAddressField(blank=True, null=True)),
                ('host', models.CharField(blank=True, max_length=200)),
                ('port', models.PositiveIntegerField(blank=True, null=True)),
                ('tls', models.BooleanField(default=False)),
                ('stores', models.BooleanField(default=True)),
                ('finds', models.BooleanField(default=False)),
                ('retrieves', models.BooleanField(default=False)),
                ('works', models.BooleanField(default=False)),
                ('enabled', models.BooleanField(default=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('title',), name='imaging_device_title')],
            },
        ),
        migrations.CreateModel(
            name='Commitment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('transaction_uid', models.CharField(max_length=64)),
                ('title', models.CharField(max_length=16)),
                ('asked_at', models.DateTimeField()),
                ('wanted', models.JSONField()),
                ('sent_at', models.DateTimeField(null=True)),
                ('tries', models.PositiveIntegerField(default=0)),
                ('next_at', models.DateTimeField(db_index=True)),
                ('device', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to='imaging.device')),
            ],
        ),
        migrations.CreateModel(
            name='Exam',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('order', models.CharField(max_length=64, unique=True)),
                ('facility', models.CharField(max_length=64)),
                ('patient', models.CharField(max_length=64)),
                ('encounter', models.CharField(blank=True, max_length=64)),
                ('accession_number', models.CharField(db_collation='C', max_length=16, unique=True)),
                ('study_instance_uid', models.CharField(db_collation='C', max_length=64, unique=True)),
                ('service', models.CharField(blank=True, max_length=40)),
                ('description', models.CharField(max_length=300)),
                ('modality', models.CharField(blank=True, max_length=16)),
                ('urgent', models.BooleanField(default=False)),
                ('stage', models.CharField(choices=[('ordered', 'Ordered'), ('scheduled', 'Scheduled'), ('started', 'Started'), ('done', 'Done'), ('reported', 'Reported'), ('cancelled', 'Cancelled')], default='ordered', max_length=10)),
                ('ordered_at', models.DateTimeField()),
                ('scheduled_at', models.DateTimeField()),
                ('started_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('device', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to='imaging.device')),
            ],
        ),
        migrations.CreateModel(
            name='Held',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('facility', models.CharField(max_length=64)),
                ('reason', models.CharField(max_length=20)),
                ('detail', models.CharField(blank=True, max_length=300)),
                ('source', models.CharField(max_length=80)),
                ('received_at', models.DateTimeField()),
                ('digest', models.BinaryField(max_length=32)),
                ('size', models.BigIntegerField()),
                ('transfer_syntax_uid', models.CharField(blank=True, max_length=64)),
                ('sop_instance_uid', models.CharField(blank=True, max_length=64)),
                ('study_instance_uid', models.CharField(blank=True, max_length=64)),
                ('patient_id', models.CharField(blank=True, max_length=64)),
                ('patient_name', models.CharField(blank=True, max_length=330)),
                ('accession_number', models.CharField(blank=True, max_length=64)),
                ('modality', models.CharField(blank=True, max_length=16)),
                ('copies', models.PositiveIntegerField(default=1)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('assigned', 'Assigned'), ('accepted', 'Accepted'), ('rejected', 'Rejected')], default='waiting', max_length=10)),
                ('note', models.CharField(blank=True, max_length=500)),
                ('handled_by', models.CharField(blank=True, max_length=150)),
                ('handled_at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['facility', 'state', '-received_at'], name='imaging_held_open')],
                'constraints': [models.UniqueConstraint(fields=('digest', 'facility', 'reason'), name='imaging_held_once')],
            },
        ),
        migrations.CreateModel(
            name='Change',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('account', models.CharField(max_length=150)),
                ('facility', models.CharField(max_length=64)),
                ('action', models.CharField(max_length=20)),
                ('before', models.JSONField(default=dict)),
                ('after', models.JSONField(default=dict)),
                ('why', models.CharField(blank=True, max_length=500)),
                ('held', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to='imaging.held')),
            ],
        ),
        migrations.CreateModel(
            name='Pending',
            fields=[
                ('study', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, serialize=False, to='imaging.study')),
                ('at', models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.AddIndex(
            model_name='study',
            index=models.Index(fields=['-study_date', '-id'], name='imaging_study_date'),
        ),
        migrations.AddIndex(
            model_name='study',
            index=models.Index(fields=['patient', '-study_date'], name='imaging_study_patient'),
        ),
        migrations.AddIndex(
            model_name='study',
            index=models.Index(fields=['patient_id'], name='imaging_study_patient_id'),
        ),
        migrations.AddIndex(
            model_name='study',
            index=models.Index(fields=['name_words'], name='imaging_study_name'),
        ),
        migrations.AddIndex(
            model_name='study',
            index=models.Index(fields=['accession_number'], name='imaging_study_accession'),
        ),
        migrations.AddIndex(
            model_name='study',
            index=models.Index(condition=models.Q(('patient', None)), fields=['custodian', '-id'], name='imaging_study_nobody'),
        ),
        migrations.AddField(
            model_name='instance',
            name='study',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='imaging.study'),
        ),
        migrations.AddField(
            model_name='change',
            name='study',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to='imaging.study'),
        ),
        migrations.AddField(
            model_name='series',
            name='study',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='series', to='imaging.study'),
        ),
        migrations.AddField(
            model_name='instance',
            name='series',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='instances', to='imaging.series'),
        ),
        migrations.AddField(
            model_name='step',
            name='exam',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='steps', to='imaging.exam'),
        ),
        migrations.AddIndex(
            model_name='exam',
            index=models.Index(fields=['facility', 'stage', '-urgent', 'scheduled_at', 'id'], name='imaging_exam_worklist'),
        ),
        migrations.AddIndex(
            model_name='exam',
            index=models.Index(fields=['encounter'], name='imaging_exam_encounter'),
        ),
        migrations.AddIndex(
            model_name='exam',
            index=models.Index(fields=['patient'], name='imaging_exam_patient'),
        ),
        migrations.AddIndex(
            model_name='series',
            index=models.Index(fields=['study', 'modality'], name='imaging_series_modality'),
        ),
        migrations.AddIndex(
            model_name='instance',
            index=models.Index(fields=['study', 'series', 'instance_number'], name='imaging_instance_order'),
        ),
        migrations.RunSQL(POLICIES, migrations.RunSQL.noop),
        migrations.RunSQL("CREATE SEQUENCE imaging_accession", "DROP SEQUENCE imaging_accession"),
    ]
