"""Models that look at pictures, and what they say: seen by whom the study is, with its labels."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models

EVERYTHING = "nullif(current_setting('tuetinh.everything', true) = 'yes', false) IS NOT NULL"
ROWS = EVERYTHING + " OR EXISTS (SELECT FROM imaging_study s WHERE s.id = imaging_airesult.study_id)"
DOOR = f"""
ALTER TABLE imaging_airesult ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY door ON imaging_airesult USING ({ROWS}) WITH CHECK ({ROWS});
"""
# What is said of a study has its labels, whoever changes them and when (see 0007_pre_unvisited).
FOLLOW = """
CREATE FUNCTION imaging_ai_labelled() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE before text := current_setting('tuetinh.everything', true);
BEGIN
  PERFORM set_config('tuetinh.everything', 'yes', true);
  UPDATE record."Observation" o SET labels = NEW.labels
  WHERE o.type = 'Observation' AND o.labels <> NEW.labels
    AND o.id IN (SELECT 'ai-result-' || r.id FROM imaging_airesult r WHERE r.study_id = NEW.id);
  PERFORM set_config('tuetinh.everything', coalesce(before, ''), true);
  RETURN NULL;
END $$;
CREATE TRIGGER ai_labelled AFTER UPDATE OF labels ON imaging_study
  FOR EACH ROW WHEN (OLD.labels <> NEW.labels) EXECUTE FUNCTION imaging_ai_labelled();
"""
UNFOLLOW = "DROP TRIGGER ai_labelled ON imaging_study; DROP FUNCTION imaging_ai_labelled();"


class Migration(migrations.Migration):

    dependencies: ClassVar = [('imaging', '0007_pre_unvisited')]
    operations: ClassVar = [
        migrations.CreateModel(
            name='AiModel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=30)),
                ('version', models.CharField(max_length=20)),
                ('description', models.JSONField()),
                ('digest', models.BinaryField(max_length=32)),
                ('size', models.BigIntegerField()),
                ('added_at', models.DateTimeField()),
                ('added_by', models.CharField(max_length=150)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('name', 'version'), name='imaging_ai_model_once')],
            },
        ),
        migrations.CreateModel(
            name='AiResult',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('facility', models.CharField(max_length=64)),
                ('model', models.CharField(max_length=30)),
                ('version', models.CharField(max_length=20)),
                ('rule', models.CharField(max_length=40)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('done', 'Done'), ('failed', 'Failed')], default='waiting', max_length=10)),
                ('next_at', models.DateTimeField()),
                ('tries', models.PositiveSmallIntegerField(default=0)),
                ('fault', models.CharField(blank=True, max_length=20)),
                ('done_at', models.DateTimeField(null=True)),
                ('last', models.BigIntegerField(default=0)),
                ('looked', models.PositiveIntegerField(default=0)),
                ('among', models.PositiveIntegerField(default=0)),
                ('score', models.FloatField(null=True)),
                ('threshold', models.FloatField(null=True)),
                ('pictures', models.JSONField(default=list)),
                ('study', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='ai_results', to='imaging.study')),
            ],
        ),
        migrations.CreateModel(
            name='AiOpinion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account', models.CharField(max_length=150)),
                ('at', models.DateTimeField()),
                ('agrees', models.BooleanField()),
                ('score', models.FloatField()),
                ('result', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='opinions', to='imaging.airesult')),
            ],
        ),
        migrations.AddIndex(
            model_name='airesult',
            index=models.Index(condition=models.Q(('state', 'waiting')), fields=['next_at'], name='imaging_ai_result_due'),
        ),
        migrations.AddIndex(
            model_name='airesult',
            index=models.Index(fields=['facility', 'model', 'version'], name='imaging_ai_result_counted'),
        ),
        migrations.AddConstraint(
            model_name='airesult',
            constraint=models.UniqueConstraint(fields=('study', 'model', 'version'), name='imaging_ai_result_once'),
        ),
        migrations.RunSQL(DOOR, migrations.RunSQL.noop),
        migrations.RunSQL(FOLLOW, UNFOLLOW),
    ]
