from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('lab', '0048_pre_messages_of_laboratories'),
    ]

    operations = [
        migrations.AddField(
            model_name='proficiency',
            name='expected',
            field=models.CharField(blank=True, db_default='', max_length=40),
        ),
        migrations.AddField(
            model_name='proficiency',
            name='text',
            field=models.CharField(blank=True, db_default='', max_length=40),
        ),
    ]
