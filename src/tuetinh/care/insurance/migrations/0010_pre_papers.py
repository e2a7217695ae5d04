from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("insurance", "0005_pre_results")]

    operations = [
        migrations.CreateModel(
            name="PaperNumber",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("facility", models.CharField(max_length=64)),
                ("kind", models.CharField(max_length=5)),
                ("year", models.PositiveSmallIntegerField()),
                ("last", models.PositiveIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("facility", "kind", "year"), name="insurance_paper_number")
                ],
            },
        ),
    ]
