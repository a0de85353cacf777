"""All up to 0015 at once, for databases that have none of it yet. Left out: what 0006 did to plans that were there."""

import datetime

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import simple_history.models
from django.conf import settings
from django.db import migrations, models

from inventory.migrations._create_models import CreateModels


class Migration(migrations.Migration):

    replaces = [
        ('policies', '0001_initial'),
        ('policies', '0002_policy_expectations'),
        ('policies', '0003_comparison'),
        ('policies', '0004_plan_item_owner'),
        ('policies', '0005_plan_kind'),
        ('policies', '0006_plan_title_and_partition'),
        ('policies', '0007_plan_of_a_cycle_names_it'),
        ('policies', '0008_cycle_evidence'),
        ('policies', '0009_cycle_with_guardrails'),
        ('policies', '0010_cycle_expectations'),
        ('policies', '0011_plan_item_files'),
        ('policies', '0012_quota_previews_and_readings'),
        ('policies', '0013_comparison_of_cycles'),
        ('policies', '0014_approve_deletion'),
        ('policies', '0015_plan_items_of_paths'),
    ]

    initial = True

    dependencies = [
        ('inventory', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        CreateModels(
            operations=[
                migrations.CreateModel(
                    name='HistoricalPartition',
                    fields=[
                        ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                        ('name', models.CharField(db_index=True, max_length=64)),
                        ('condition', models.TextField(blank=True, help_text='Replica condition; empty for a superpartition.')),
                        ('max_site_fraction', models.FloatField(blank=True, help_text="Safety limit: an automatic cycle deletes at most this part of a site's quota. Empty: the general setting (0.15).", null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)])),
                        ('max_partition_fraction', models.FloatField(blank=True, help_text="Safety limit: an automatic cycle deletes at most this part of the partition's bytes. Empty: the general setting (0.10).", null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)])),
                        ('history_id', models.AutoField(primary_key=True, serialize=False)),
                        ('history_date', models.DateTimeField(db_index=True)),
                        ('history_change_reason', models.CharField(max_length=100, null=True)),
                        ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                        ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'verbose_name': 'historical partition',
                        'verbose_name_plural': 'historical partitions',
                        'ordering': ('-history_date', '-history_id'),
                        'get_latest_by': ('history_date', 'history_id'),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name='Partition',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('name', models.CharField(max_length=64, unique=True)),
                        ('condition', models.TextField(blank=True, help_text='Replica condition; empty for a superpartition.')),
                        ('max_site_fraction', models.FloatField(blank=True, help_text="Safety limit: an automatic cycle deletes at most this part of a site's quota. Empty: the general setting (0.15).", null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)])),
                        ('max_partition_fraction', models.FloatField(blank=True, help_text="Safety limit: an automatic cycle deletes at most this part of the partition's bytes. Empty: the general setting (0.10).", null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)])),
                        ('parts', models.ManyToManyField(blank=True, related_name='superpartitions', to='policies.partition')),
                    ],
                    options={
                        'ordering': ['name'],
                        'permissions': [('set_quota', 'Can set quotas of the partition'), ('release_plan', 'Can release or discard plans that a safety limit holds'), ('approve_deletion', 'Can approve deletion requests for what is in the partition')],
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='partition_has_name'),
                            models.CheckConstraint(condition=models.Q(('max_site_fraction__isnull', True), models.Q(('max_site_fraction__gte', 0), ('max_site_fraction__lte', 1)), _connector='OR'), name='partition_site_fraction_is_fraction'),
                            models.CheckConstraint(condition=models.Q(('max_partition_fraction__isnull', True), models.Q(('max_partition_fraction__gte', 0), ('max_partition_fraction__lte', 1)), _connector='OR'), name='partition_fraction_is_fraction'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='HistoricalQuota',
                    fields=[
                        ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                        ('size_bytes', models.BigIntegerField(help_text='Bytes; negative = unlimited.')),
                        ('history_id', models.AutoField(primary_key=True, serialize=False)),
                        ('history_date', models.DateTimeField(db_index=True)),
                        ('history_change_reason', models.CharField(max_length=100, null=True)),
                        ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                        ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('site', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='inventory.site')),
                        ('partition', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='policies.partition')),
                    ],
                    options={
                        'verbose_name': 'historical quota',
                        'verbose_name_plural': 'historical quotas',
                        'ordering': ('-history_date', '-history_id'),
                        'get_latest_by': ('history_date', 'history_id'),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name='HistoricalPartition_parts',
                    fields=[
                        ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                        ('m2m_history_id', models.AutoField(primary_key=True, serialize=False)),
                        ('history', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, to='policies.historicalpartition')),
                        ('from_partition', models.ForeignKey(blank=True, db_constraint=False, db_tablespace='', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='policies.partition')),
                        ('to_partition', models.ForeignKey(blank=True, db_constraint=False, db_tablespace='', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='policies.partition')),
                    ],
                    options={
                        'verbose_name': 'HistoricalPartition_parts',
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name='HistoricalGuardrail',
                    fields=[
                        ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                        ('name', models.SlugField(max_length=64)),
                        ('condition', models.TextField(help_text='Replica condition: what meets it must not be deleted.')),
                        ('is_protecting', models.BooleanField(default=False)),
                        ('is_enabled', models.BooleanField(default=True)),
                        ('comment', models.CharField(blank=True, max_length=512)),
                        ('history_id', models.AutoField(primary_key=True, serialize=False)),
                        ('history_date', models.DateTimeField(db_index=True)),
                        ('history_change_reason', models.CharField(max_length=100, null=True)),
                        ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                        ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('partition', models.ForeignKey(blank=True, db_constraint=False, help_text='Empty: every partition.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='policies.partition')),
                    ],
                    options={
                        'verbose_name': 'historical guardrail',
                        'verbose_name_plural': 'historical guardrails',
                        'ordering': ('-history_date', '-history_id'),
                        'get_latest_by': ('history_date', 'history_id'),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name='Guardrail',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('name', models.SlugField(max_length=64, unique=True)),
                        ('condition', models.TextField(help_text='Replica condition: what meets it must not be deleted.')),
                        ('is_protecting', models.BooleanField(default=False)),
                        ('is_enabled', models.BooleanField(default=True)),
                        ('comment', models.CharField(blank=True, max_length=512)),
                        ('partition', models.ForeignKey(blank=True, help_text='Empty: every partition.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='guardrails', to='policies.partition')),
                    ],
                    options={
                        'ordering': ['name'],
                    },
                ),
                migrations.CreateModel(
                    name='Policy',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('name', models.CharField(max_length=64, unique=True)),
                        ('is_enabled', models.BooleanField(default=True, help_text='Whether the active version is evaluated periodically.')),
                        ('period', models.DurationField(default=datetime.timedelta(seconds=43200), help_text='Time between the starts of two automatic cycles.')),
                        ('deletion_per_iteration', models.FloatField(default=0.01, help_text="Step limit as a part of a site's quota (language page, section 5).")),
                        ('partition', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='policies', to='policies.partition')),
                        ('active_version', models.OneToOneField(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='active_for', to='policies.policyversion')),
                        ('expectations', models.TextField(blank=True, help_text='Policy tests, one a line: expect [not] protect|keep|delete|ignore CONDITION [at SITES].')),
                    ],
                    options={
                        'verbose_name_plural': 'policies',
                        'ordering': ['name'],
                        'permissions': [('activate_policy', 'Can activate a version of the policy'), ('run_policy', 'Can start a cycle of the policy')],
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(('period__gt', datetime.timedelta(0))), name='policy_period_positive'),
                            models.CheckConstraint(condition=models.Q(('deletion_per_iteration__gt', 0)), name='policy_step_limit_positive'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='PolicyVersion',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('number', models.PositiveIntegerField()),
                        ('text', models.TextField()),
                        ('digest', models.CharField(help_text='SHA-256 of the text.', max_length=64)),
                        ('comment', models.CharField(blank=True, max_length=512)),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                        ('created_by', models.CharField(max_length=150)),
                        ('activated_at', models.DateTimeField(blank=True, null=True)),
                        ('activated_by', models.CharField(blank=True, max_length=150)),
                        ('policy', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='versions', to='policies.policy')),
                    ],
                    options={
                        'ordering': ['policy_id', '-number'],
                        'constraints': [
                            models.UniqueConstraint(fields=('policy', 'number'), name='policy_version_unique'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='Cycle',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('kind', models.CharField(choices=[('TEST_RUN', 'test run'), ('AUTOMATIC', 'automatic'), ('MANUAL', 'by hand')], max_length=16)),
                        ('state', models.CharField(choices=[('RUNNING', 'running'), ('COMPLETED', 'completed'), ('FAILED', 'failed')], default='RUNNING', max_length=16)),
                        ('text', models.TextField(help_text='The text that was evaluated.')),
                        ('source', models.CharField(help_text='Policy and version, or file name.', max_length=512)),
                        ('started_by', models.CharField(max_length=150)),
                        ('deletion_per_iteration', models.FloatField(default=0.01, help_text="Step limit as a part of a site's quota.")),
                        ('clock', models.DateTimeField(help_text="The time that the policy's times are relative to.")),
                        ('started_at', models.DateTimeField(auto_now_add=True)),
                        ('finished_at', models.DateTimeField(blank=True, null=True)),
                        ('heartbeat_at', models.DateTimeField(default=django.utils.timezone.now, help_text='Last sign of life while running; a silent cycle is given up for dead.')),
                        ('snapshot_at', models.DateTimeField(blank=True, null=True)),
                        ('progress', models.FloatField(default=0, help_text='Part done, 0 to 1.')),
                        ('stage', models.CharField(blank=True, max_length=64)),
                        ('error', models.TextField(blank=True)),
                        ('decisions_file', models.CharField(blank=True, help_text='Name in the default file storage (Parquet).', max_length=255)),
                        ('plan_digest', models.CharField(blank=True, max_length=64)),
                        ('num_block_replicas', models.PositiveIntegerField(default=0)),
                        ('protected_bytes', models.BigIntegerField(default=0)),
                        ('kept_bytes', models.BigIntegerField(default=0)),
                        ('deleted_bytes', models.BigIntegerField(default=0, help_text='Bytes that the plan deletes.')),
                        ('ignored_bytes', models.BigIntegerField(default=0)),
                        ('num_deleted_replicas', models.PositiveIntegerField(default=0, help_text='Dataset replicas of which the plan deletes something.')),
                        ('num_passes', models.PositiveIntegerField(default=0)),
                        ('num_steps', models.PositiveIntegerField(default=0)),
                        ('unknown_facts', models.JSONField(blank=True, default=list, help_text='Feeds that were stale and counted as unknown.')),
                        ('partition', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='cycles', to='policies.partition')),
                        ('policy_version', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='cycles', to='policies.policyversion')),
                        ('evidence_file', models.CharField(blank=True, help_text='What the cycle saw, for explanations: a Parquet file in the default storage.', max_length=255)),
                        ('with_guardrails', models.BooleanField(default=False, help_text='A test run with protecting guardrails on top, as real cycles and campaigns have them.')),
                        ('expectation_results', models.JSONField(blank=True, default=list, help_text='How each of them fared.')),
                        ('expectations', models.TextField(blank=True, help_text='Expectations of the policy that a test run of a version was held against.')),
                    ],
                    options={
                        'ordering': ['-pk'],
                        'indexes': [
                            models.Index(fields=['partition', '-started_at'], name='cycle_by_partition'),
                        ],
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('state', 'RUNNING')), models.Q(models.Q(('state', 'RUNNING'), _negated=True), ('finished_at__isnull', False)), _connector='OR'), name='cycle_finished_when_over'),
                            models.UniqueConstraint(condition=models.Q(('state', 'RUNNING'), models.Q(('kind', 'TEST_RUN'), _negated=True)), fields=('partition',), name='cycle_one_running_per_partition'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='Plan',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('state', models.CharField(choices=[('FROZEN', 'frozen'), ('HELD', 'held by a safety limit'), ('RELEASED', 'released for deletion'), ('DONE', 'done'), ('DISCARDED', 'discarded')], default='FROZEN', max_length=16)),
                        ('digest', models.CharField(help_text='SHA-256 over the items in order.', max_length=64)),
                        ('frozen_at', models.DateTimeField(auto_now_add=True)),
                        ('num_items', models.PositiveIntegerField()),
                        ('size_bytes', models.BigIntegerField()),
                        ('readings', models.JSONField(blank=True, default=list, help_text='What each safety limit and guardrail read, tripped or not.')),
                        ('tripped', models.JSONField(blank=True, default=list, help_text='Safety limits and guardrails that hold the plan, with their readings.')),
                        ('decided_at', models.DateTimeField(blank=True, help_text='When it was released or discarded.', null=True)),
                        ('decided_by', models.CharField(blank=True, max_length=150)),
                        ('decided_reason', models.CharField(blank=True, max_length=512)),
                        ('cycle', models.OneToOneField(blank=True, help_text='Only of plans that a cycle made.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='plan', to='policies.cycle')),
                        ('kind', models.CharField(choices=[('CYCLE', 'cycle of a policy'), ('CAMPAIGN', 'deletion campaign'), ('INVALIDATION', 'invalidation'), ('REQUEST', 'deletion request'), ('CLEAN_UP', 'clean-up after a storage scan')], default='CYCLE', max_length=16)),
                        ('partition', models.ForeignKey(blank=True, help_text='Partition that it deletes in; none where the list is not of one.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='plans', to='policies.partition')),
                        ('title', models.CharField(help_text='What the plan is of: policy and version, campaign, request.', max_length=512)),
                    ],
                    options={
                        'ordering': ['-pk'],
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(('state__in', ['FROZEN', 'HELD', 'RELEASED', 'DONE', 'DISCARDED'])), name='plan_state_known'),
                            models.CheckConstraint(condition=models.Q(models.Q(('state', 'HELD'), _negated=True), models.Q(('tripped', []), _negated=True), _connector='OR'), name='plan_held_for_a_reason'),
                            models.CheckConstraint(condition=models.Q(('kind__in', ['CYCLE', 'CAMPAIGN', 'INVALIDATION', 'REQUEST', 'CLEAN_UP'])), name='plan_kind_known'),
                            models.CheckConstraint(condition=models.Q(models.Q(('cycle__isnull', False), ('kind', 'CYCLE'), ('partition__isnull', False)), models.Q(models.Q(('kind', 'CYCLE'), _negated=True), ('cycle__isnull', True)), _connector='OR'), name='plan_of_a_cycle_names_it'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='PlanItem',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('sequence', models.PositiveIntegerField(help_text='Order in which the cycle decided.')),
                        ('action', models.CharField(choices=[('DELETE', 'delete'), ('REOWN', 'hand over')], max_length=8)),
                        ('site_name', models.CharField(max_length=64)),
                        ('dataset_name', models.CharField(blank=True, max_length=512)),
                        ('block_name', models.CharField(blank=True, max_length=128)),
                        ('block_replica_key', models.BigIntegerField(blank=True, help_text='Primary key of the block replica when the plan was frozen.', null=True)),
                        ('size_bytes', models.BigIntegerField()),
                        ('num_files', models.PositiveIntegerField()),
                        ('line', models.IntegerField(blank=True, help_text='Line of the policy that decided; 0 = the default; none for a hand-over and where no text decided.', null=True)),
                        ('rule_text', models.TextField(blank=True, help_text='The rule, or the reason where no text decided.')),
                        ('new_owner', models.CharField(blank=True, help_text='Group that takes over (hand over only).', max_length=64)),
                        ('plan', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='items', to='policies.plan')),
                        ('owner', models.CharField(blank=True, help_text='Owner that the cycle saw, "None" for nobody; another owner makes the item drop out. Empty in plans that were frozen before it was kept.', max_length=64)),
                        ('may_be_last_copy', models.BooleanField(default=False, help_text='Whether rule, campaign or person said by name that it goes even as the last copy.')),
                        ('files_digest', models.CharField(blank=True, help_text='SHA-256 over the names of the files that go, one a line; empty: the whole block replica goes.', max_length=64)),
                        ('modified_at', models.DateTimeField(blank=True, help_text='Of a file that nobody knows, as it was seen; changed since, it stays.', null=True)),
                        ('path', models.CharField(blank=True, help_text='Below the root of the site, of a file that nobody knows; else empty.', max_length=1024)),
                    ],
                    options={
                        'ordering': ['plan_id', 'sequence'],
                        'indexes': [
                            models.Index(fields=['dataset_name'], name='plan_item_by_dataset'),
                        ],
                        'constraints': [
                            models.UniqueConstraint(fields=('plan', 'sequence'), name='plan_item_sequence_unique'),
                            models.UniqueConstraint(fields=('plan', 'block_replica_key'), name='plan_item_block_replica_unique'),
                            models.CheckConstraint(condition=models.Q(models.Q(('action', 'DELETE'), ('new_owner', '')), models.Q(('action', 'REOWN'), models.Q(('new_owner', ''), _negated=True)), _connector='OR'), name='plan_item_new_owner_when_handed_over'),
                            models.UniqueConstraint(condition=models.Q(('path', ''), _negated=True), fields=('plan', 'site_name', 'path'), name='plan_item_path_unique'),
                            models.CheckConstraint(condition=models.Q(models.Q(('block_replica_key__isnull', False), ('modified_at__isnull', True), ('path', ''), models.Q(('dataset_name', ''), _negated=True), models.Q(('block_name', ''), _negated=True)), models.Q(models.Q(('path', ''), _negated=True), ('action', 'DELETE'), ('block_name', ''), ('block_replica_key__isnull', True), ('dataset_name', ''), ('files_digest', ''), ('line__isnull', True), ('may_be_last_copy', False), ('modified_at__isnull', False), ('num_files', 1), ('owner', '')), _connector='OR'), name='plan_item_block_replica_or_path'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='HistoricalPolicy',
                    fields=[
                        ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                        ('name', models.CharField(db_index=True, max_length=64)),
                        ('is_enabled', models.BooleanField(default=True, help_text='Whether the active version is evaluated periodically.')),
                        ('period', models.DurationField(default=datetime.timedelta(seconds=43200), help_text='Time between the starts of two automatic cycles.')),
                        ('deletion_per_iteration', models.FloatField(default=0.01, help_text="Step limit as a part of a site's quota (language page, section 5).")),
                        ('history_id', models.AutoField(primary_key=True, serialize=False)),
                        ('history_date', models.DateTimeField(db_index=True)),
                        ('history_change_reason', models.CharField(max_length=100, null=True)),
                        ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                        ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('partition', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='policies.partition')),
                        ('active_version', models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='policies.policyversion')),
                        ('expectations', models.TextField(blank=True, help_text='Policy tests, one a line: expect [not] protect|keep|delete|ignore CONDITION [at SITES].')),
                    ],
                    options={
                        'verbose_name': 'historical policy',
                        'verbose_name_plural': 'historical policies',
                        'ordering': ('-history_date', '-history_id'),
                        'get_latest_by': ('history_date', 'history_id'),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name='Quota',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('size_bytes', models.BigIntegerField(help_text='Bytes; negative = unlimited.')),
                        ('partition', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='quotas', to='policies.partition')),
                        ('site', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='quotas', to='inventory.site')),
                    ],
                    options={
                        'ordering': ['partition_id', 'site_id'],
                        'constraints': [
                            models.UniqueConstraint(fields=('partition', 'site'), name='quota_unique'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='WaitingQuota',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('partition_name', models.CharField(max_length=64)),
                        ('size_bytes', models.BigIntegerField(help_text='Bytes; negative = unlimited.')),
                        ('site', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='inventory.site')),
                    ],
                    options={
                        'ordering': ['partition_name', 'site_id'],
                        'constraints': [
                            models.UniqueConstraint(fields=('partition_name', 'site'), name='waiting_quota_unique'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='CycleRule',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('line', models.IntegerField()),
                        ('text', models.TextField()),
                        ('num_replicas', models.PositiveIntegerField(default=0)),
                        ('num_block_replicas', models.PositiveIntegerField(default=0)),
                        ('size_bytes', models.BigIntegerField(default=0)),
                        ('cycle', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rules', to='policies.cycle')),
                    ],
                    options={
                        'ordering': ['cycle_id', 'line'],
                        'constraints': [
                            models.UniqueConstraint(fields=('cycle', 'line'), name='cycle_rule_unique'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='CycleSite',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('site_name', models.CharField(max_length=64)),
                        ('quota_bytes', models.BigIntegerField()),
                        ('bytes_before', models.BigIntegerField()),
                        ('bytes_after', models.BigIntegerField()),
                        ('protected_bytes', models.BigIntegerField()),
                        ('kept_bytes', models.BigIntegerField(default=0)),
                        ('deleted_bytes', models.BigIntegerField(default=0)),
                        ('ignored_bytes', models.BigIntegerField(default=0)),
                        ('is_triggered', models.BooleanField()),
                        ('is_released', models.BooleanField(help_text='Until was met after a deletion.')),
                        ('cycle', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='sites', to='policies.cycle')),
                    ],
                    options={
                        'ordering': ['cycle_id', 'site_name'],
                        'constraints': [
                            models.UniqueConstraint(fields=('cycle', 'site_name'), name='cycle_site_unique'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='Comparison',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('state', models.CharField(choices=[('RUNNING', 'running'), ('COMPLETED', 'completed'), ('FAILED', 'failed')], default='RUNNING', max_length=16)),
                        ('old_text', models.TextField(blank=True, help_text='Empty: there is nothing to compare with.')),
                        ('old_source', models.CharField(blank=True, max_length=512)),
                        ('new_text', models.TextField(blank=True, help_text='Empty where cycles are compared.')),
                        ('new_source', models.CharField(max_length=512)),
                        ('expectations', models.TextField(blank=True, help_text='What the new text is held against.')),
                        ('deletion_per_iteration', models.FloatField(default=0.01, help_text="Step limit as a part of a site's quota.")),
                        ('clock', models.DateTimeField(help_text="The time that the policies' times are relative to; of cycles, that of the new one.")),
                        ('started_by', models.CharField(max_length=150)),
                        ('started_at', models.DateTimeField(auto_now_add=True)),
                        ('finished_at', models.DateTimeField(blank=True, null=True)),
                        ('heartbeat_at', models.DateTimeField(default=django.utils.timezone.now, help_text='Last sign of life while running.')),
                        ('stage', models.CharField(blank=True, max_length=64)),
                        ('error', models.TextField(blank=True)),
                        ('changes_file', models.CharField(blank=True, help_text='Changed replicas: a Parquet file in the default storage.', max_length=255)),
                        ('summary', models.JSONField(blank=True, default=dict, help_text='Sums in all, per site, tier and pair of rules.')),
                        ('results', models.JSONField(blank=True, default=list, help_text='How each expectation fared.')),
                        ('old_version', models.ForeignKey(blank=True, help_text='Whose text is the old one.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='comparisons', to='policies.policyversion')),
                        ('partition', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='comparisons', to='policies.partition')),
                        ('new_cycle', models.ForeignKey(blank=True, help_text='Instead of a text.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='compared_as_new', to='policies.cycle')),
                        ('old_cycle', models.ForeignKey(blank=True, help_text='Instead of a text.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='compared_as_old', to='policies.cycle')),
                        ('with_guardrails', models.BooleanField(default=False, help_text='Protecting guardrails stand on top of both texts.')),
                    ],
                    options={
                        'ordering': ['-pk'],
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('state', 'RUNNING')), models.Q(models.Q(('state', 'RUNNING'), _negated=True), ('finished_at__isnull', False)), _connector='OR'), name='comparison_finished_when_over'),
                            models.CheckConstraint(condition=models.Q(models.Q(('new_cycle__isnull', True), ('old_cycle__isnull', True)), models.Q(('new_cycle__isnull', False), ('new_text', ''), ('old_cycle__isnull', False), ('old_text', '')), _connector='OR'), name='comparison_of_cycles_or_of_texts'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='PlanItemFile',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('lfn', models.CharField(max_length=1024)),
                        ('size_bytes', models.BigIntegerField()),
                        ('plan_item', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='named_files', to='policies.planitem')),
                    ],
                    options={
                        'ordering': ['plan_item_id', 'lfn'],
                        'constraints': [
                            models.UniqueConstraint(fields=('plan_item', 'lfn'), name='plan_item_file_unique'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='QuotaPreview',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('state', models.CharField(choices=[('RUNNING', 'running'), ('COMPLETED', 'completed'), ('FAILED', 'failed')], default='RUNNING', max_length=16)),
                        ('changes', models.JSONField(help_text='Quotas as they would be: partition, site, size_bytes (null: none), expected_bytes.')),
                        ('clock', models.DateTimeField(help_text="The time that the policies' times are relative to.")),
                        ('started_by', models.CharField(max_length=150)),
                        ('started_at', models.DateTimeField(auto_now_add=True)),
                        ('finished_at', models.DateTimeField(blank=True, null=True)),
                        ('heartbeat_at', models.DateTimeField(default=django.utils.timezone.now, help_text='Last sign of life while running.')),
                        ('progress', models.FloatField(default=0, help_text='Part done, 0 to 1.')),
                        ('stage', models.CharField(blank=True, max_length=128)),
                        ('error', models.TextField(blank=True)),
                        ('result', models.JSONField(blank=True, default=dict, help_text='Policies with their sites, and partitions without a policy.')),
                    ],
                    options={
                        'ordering': ['-pk'],
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('state', 'RUNNING')), models.Q(models.Q(('state', 'RUNNING'), _negated=True), ('finished_at__isnull', False)), _connector='OR'), name='quota_preview_finished_when_over'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='StorageReading',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('site_name', models.CharField(max_length=64)),
                        ('day', models.DateField(help_text='UTC.')),
                        ('taken_at', models.DateTimeField()),
                        ('quota_bytes', models.BigIntegerField(help_text='Negative = unlimited, 0 = none.')),
                        ('used_bytes', models.BigIntegerField(help_text='Bytes physically present.')),
                        ('protected_bytes', models.BigIntegerField(null=True)),
                        ('kept_bytes', models.BigIntegerField(null=True)),
                        ('to_delete_bytes', models.BigIntegerField(null=True)),
                        ('growth_per_day', models.FloatField(help_text='Growth of protected data up to that day, bytes per day.', null=True)),
                        ('growth_low', models.FloatField(help_text='Low end of its 90 % range.', null=True)),
                        ('growth_high', models.FloatField(help_text='High end of its 90 % range.', null=True)),
                        ('cycle', models.ForeignKey(help_text='What decided.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='policies.cycle')),
                        ('partition', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='readings', to='policies.partition')),
                    ],
                    options={
                        'ordering': ['partition_id', 'site_name', 'day'],
                        'indexes': [
                            models.Index(fields=['day'], name='storage_reading_by_day'),
                        ],
                        'constraints': [
                            models.UniqueConstraint(fields=('partition', 'site_name', 'day'), name='storage_reading_unique'),
                        ],
                    },
                ),
            ],
        ),
    ]
