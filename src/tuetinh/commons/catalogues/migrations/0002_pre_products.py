from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("catalogues", "0001_pre_prices")]

    operations = [
        migrations.AddField("price", "registration", models.CharField(blank=True, max_length=255, default=""), preserve_default=False),
        migrations.AddField("price", "tender", models.CharField(blank=True, max_length=50, default=""), preserve_default=False),
    ]
