from __future__ import annotations

from typing import Any

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.models import F


def those_that_are_there_were_made(apps: Any, schema_editor: Any) -> None:
    """Until now a report was kept when it was made, and not before."""
    apps.get_model("campaigns", "CampaignReport").objects.update(state="COMPLETED", progress=1.0, finished_at=F("made_at"))


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0003_studied_transfers'),
        ('inventory', '0012_batch_by_request'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='campaignreport',
            name='error',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='campaignreport',
            name='finished_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='campaignreport',
            name='heartbeat_at',
            field=models.DateTimeField(default=django.utils.timezone.now),
        ),
        migrations.AddField(
            model_name='campaignreport',
            name='progress',
            field=models.FloatField(default=0, help_text='Part done, 0 to 1.'),
        ),
        migrations.AddField(
            model_name='campaignreport',
            name='stage',
            field=models.CharField(blank=True, max_length=128),
        ),
        migrations.AddField(
            model_name='campaignreport',
            name='state',
            field=models.CharField(choices=[('RUNNING', 'running'), ('COMPLETED', 'completed'), ('FAILED', 'failed')], default='RUNNING', max_length=16),
        ),
        migrations.AddField(
            model_name='campaignreport',
            name='user',
            field=models.ForeignKey(blank=True, help_text='Who asked for it.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='campaignreport',
            name='audit_event',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='inventory.auditevent'),
        ),
        migrations.AlterField(
            model_name='campaignreport',
            name='files',
            field=models.JSONField(default=dict, help_text='By kind (json, html, csv, parquet): name in the storage, bytes and SHA-256.'),
        ),
        migrations.AlterField(
            model_name='campaignreport',
            name='is_final',
            field=models.BooleanField(default=False, help_text='Made when the campaign was over.'),
        ),
        migrations.AlterField(
            model_name='campaignreport',
            name='made_at',
            field=models.DateTimeField(help_text='The moment that it tells of; when it was asked for, until a worker has begun.'),
        ),
        migrations.RunPython(those_that_are_there_were_made, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='campaignreport',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'RUNNING')), fields=('campaign',), name='report_one_running_per_campaign'),
        ),
        migrations.AddConstraint(
            model_name='campaignreport',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('state', 'RUNNING')), models.Q(models.Q(('state', 'RUNNING'), _negated=True), ('finished_at__isnull', False)), _connector='OR'), name='report_finished_when_over'),
        ),
        migrations.AddConstraint(
            model_name='campaignreport',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('audit_event__isnull', False), ('state', 'COMPLETED')), models.Q(models.Q(('state', 'COMPLETED'), _negated=True), ('audit_event__isnull', True)), _connector='OR'), name='report_completed_when_in_the_chain'),
        ),
    ]
