import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0002_look"),
    ]

    operations = [
        migrations.CreateModel(
            name="StudiedTransfer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("dataset_name", models.CharField(max_length=512)),
                (
                    "site_name",
                    models.CharField(blank=True, help_text="Empty: asked for, no site takes it yet.", max_length=64),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="transfers", to="campaigns.revision"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("revision", "dataset_name", "site_name"), name="studied_transfer_unique"
                    )
                ],
            },
        ),
    ]
