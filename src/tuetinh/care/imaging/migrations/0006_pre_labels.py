"""Let the labels of an ImagingStudy hide its pictures too."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models

from tuetinh.record.postgresql import policies

# In the transaction that labels the ImagingStudy, by whatever way (see record/sql/labels.sql); who writes it need not
# see every study.
FOLLOW = """
CREATE FUNCTION imaging_labelled() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE before text := current_setting('tuetinh.everything', true);
BEGIN
  PERFORM set_config('tuetinh.everything', 'yes', true);
  UPDATE imaging_study s SET labels = NEW.labels WHERE s.resource = NEW.id AND s.labels <> NEW.labels;
  PERFORM set_config('tuetinh.everything', coalesce(before, ''), true);
  RETURN NULL;
END $$;
CREATE TRIGGER labelled AFTER INSERT OR UPDATE ON record."ImagingStudy"
  FOR EACH ROW EXECUTE FUNCTION imaging_labelled();
SELECT set_config('tuetinh.everything', 'yes', true);
UPDATE imaging_study s SET labels = r.labels FROM record."ImagingStudy" r
  WHERE r.type = 'ImagingStudy' AND r.id = s.resource AND r.labels <> 0;
SELECT set_config('tuetinh.everything', '', true);
"""
ROWS = f"{policies.EVERYTHING} OR record.lets('ImagingStudy', patient, custodian, labels)"
DOOR = f"DROP POLICY door ON imaging_study; CREATE POLICY door ON imaging_study USING ({ROWS}) WITH CHECK ({ROWS});"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("imaging", "0005_pre_reading"), ("record", "0029_pre_labels_rise")]
    operations: ClassVar = [
        migrations.AddField("study", "labels", models.IntegerField(db_default=0, default=0)),
        migrations.RunSQL(FOLLOW, "DROP TRIGGER labelled ON record.\"ImagingStudy\"; DROP FUNCTION imaging_labelled();"),
        migrations.RunSQL(DOOR, migrations.RunSQL.noop),
    ]
