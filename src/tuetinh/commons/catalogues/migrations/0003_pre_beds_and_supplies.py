from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("catalogues", "0002_pre_products")]

    operations = [
        migrations.AddField("price", "name", models.CharField(blank=True, max_length=500, db_default="")),
        migrations.AddField("price", "unit", models.CharField(blank=True, max_length=50, db_default="")),
        migrations.AlterField("price", "kind", models.CharField(max_length=10, choices=[("service", "service"), ("drug", "drug"), ("bed", "bed"), ("supply", "supply")])),
    ]
