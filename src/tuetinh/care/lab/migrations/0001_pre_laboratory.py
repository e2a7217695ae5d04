"""The laboratory's tubes, analysers and messages."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies: ClassVar = [
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name='Analyser',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sender', models.CharField(max_length=300, unique=True)),
                ('facility', models.CharField(max_length=64)),
                ('name', models.CharField(max_length=200)),
                ('device', models.CharField(blank=True, max_length=64)),
                ('codes', models.JSONField(blank=True, default=dict)),
            ],
        ),
        migrations.CreateModel(
            name='Counter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('facility', models.CharField(max_length=64)),
                ('day', models.DateField()),
                ('last', models.PositiveIntegerField(default=0)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('facility', 'day'), name='lab_counter_day')],
            },
        ),
        migrations.CreateModel(
            name='Tube',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.CharField(max_length=20, unique=True)),
                ('facility', models.CharField(max_length=64)),
                ('specimen', models.CharField(max_length=64, unique=True)),
                ('encounter', models.CharField(max_length=64)),
                ('patient', models.CharField(max_length=64)),
                ('orders', models.JSONField(default=list)),
                ('stage', models.CharField(choices=[('ordered', 'Ordered'), ('received', 'Received'), ('resulted', 'Resulted'), ('released', 'Released'), ('rejected', 'Rejected'), ('cancelled', 'Cancelled')], default='ordered', max_length=10)),
                ('urgent', models.BooleanField(default=False)),
                ('critical', models.BooleanField(default=False)),
                ('ordered_at', models.DateTimeField()),
                ('received_at', models.DateTimeField(null=True)),
                ('released_at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['facility', 'stage', '-urgent', 'ordered_at', 'id'], name='lab_tube_facilit_6376f3_idx'), models.Index(fields=['encounter'], name='lab_tube_encount_352def_idx')],
            },
        ),
        migrations.CreateModel(
            name='Message',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('received_at', models.DateTimeField()),
                ('peer', models.CharField(blank=True, max_length=64)),
                ('facility', models.CharField(blank=True, max_length=64)),
                ('sender', models.CharField(blank=True, max_length=300)),
                ('control_id', models.CharField(blank=True, max_length=200)),
                ('digest', models.BinaryField(max_length=32)),
                ('kind', models.CharField(blank=True, max_length=40)),
                ('raw', models.BinaryField()),
                ('state', models.CharField(choices=[('matched', 'Matched'), ('unmatched', 'Unmatched'), ('broken', 'Broken'), ('noted', 'Noted'), ('aside', 'Aside')], max_length=10)),
                ('reason', models.CharField(blank=True, max_length=40)),
                ('place', models.CharField(blank=True, max_length=60)),
                ('ack', models.BinaryField(null=True)),
                ('copies', models.PositiveIntegerField(default=1)),
                ('note', models.CharField(blank=True, max_length=500)),
                ('handled_by', models.CharField(blank=True, max_length=64)),
                ('handled_at', models.DateTimeField(null=True)),
                ('tube', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to='lab.tube')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state__in', ['unmatched', 'broken'])), fields=['facility', '-received_at'], name='lab_message_open'), models.Index(fields=['-received_at'], name='lab_message_received')],
                'constraints': [models.UniqueConstraint(fields=('sender', 'control_id', 'digest'), name='lab_message_once')],
            },
        ),
    ]
