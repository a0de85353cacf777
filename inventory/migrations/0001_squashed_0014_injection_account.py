"""All up to 0014 at once, for databases that have none of it yet. Left out: what 0014 did to injections that were there."""

import datetime
from importlib import import_module

import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.text
import simple_history.models
from django.conf import settings
from django.db import migrations, models

from inventory.migrations._create_models import CreateModels

trigrams = import_module('inventory.migrations.0004_dataset_name_trigrams')


class Migration(migrations.Migration):

    replaces = [
        ('inventory', '0001_initial'),
        ('inventory', '0002_endpoints_of_many_kinds'),
        ('inventory', '0003_lists_and_statistics'),
        ('inventory', '0004_dataset_name_trigrams'),
        ('inventory', '0005_lock_sets'),
        ('inventory', '0006_injections_by_request'),
        ('inventory', '0007_approve_deletion'),
        ('inventory', '0008_lean_indexes_and_counts'),
        ('inventory', '0009_resumable_injections'),
        ('inventory', '0010_scan_rights'),
        ('inventory', '0011_measured_attributes'),
        ('inventory', '0012_batch_by_request'),
        ('inventory', '0013_account_in_audit_digest'),
        ('inventory', '0014_injection_account'),
    ]

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        CreateModels(
            operations=[
                migrations.CreateModel(
                    name='Dataset',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('name', models.CharField(max_length=512, unique=True)),
                        ('status', models.CharField(choices=[('UNKNOWN', 'unknown'), ('DELETED', 'deleted'), ('DEPRECATED', 'deprecated'), ('INVALID', 'invalid'), ('PRODUCTION', 'in production'), ('VALID', 'valid'), ('IGNORED', 'ignored')], default='UNKNOWN', max_length=16)),
                        ('data_type', models.CharField(blank=True, max_length=32)),
                        ('release', models.CharField(blank=True, help_text='Software version as policies see it: 10_6_0 or 10_6_0_patch1.', max_length=64, null=True)),
                        ('is_open', models.BooleanField(default=True, help_text='More blocks may come.')),
                        ('last_update', models.DateTimeField()),
                        ('attributes', models.JSONField(blank=True, default=dict, help_text='Free-form metadata, read by policies as dataset.attr.KEY.')),
                        ('size_bytes', models.BigIntegerField(default=0, editable=False)),
                        ('num_files', models.PositiveIntegerField(default=0, editable=False)),
                        ('num_blocks', models.PositiveIntegerField(default=0, editable=False)),
                        ('tier', models.GeneratedField(db_persist=True, expression=django.db.models.functions.text.Substr('name', django.db.models.expressions.CombinedExpression(django.db.models.functions.text.Length(models.Func(models.F('name'), django.db.models.functions.text.Replace('name', models.Value('/')), function='RTRIM')), '+', models.Value(1))), help_text='The last part of the name, computed by the database: /Primary/Processed/TIER.', output_field=models.CharField(max_length=512))),
                    ],
                    options={
                        'ordering': ['name'],
                        'indexes': [
                            models.Index(fields=['tier', 'id'], name='dataset_by_tier'),
                            models.Index(fields=['status', 'id'], name='dataset_by_status'),
                            models.Index(fields=['data_type', 'id'], name='dataset_by_type'),
                            models.Index(fields=['release', 'id'], name='dataset_by_release'),
                            models.Index(fields=['size_bytes', 'id'], name='dataset_by_size'),
                            models.Index(fields=['last_update', 'id'], name='dataset_by_update'),
                        ],
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='dataset_has_name'),
                            models.CheckConstraint(condition=models.Q(('status__in', ['UNKNOWN', 'DELETED', 'DEPRECATED', 'INVALID', 'PRODUCTION', 'VALID', 'IGNORED'])), name='dataset_status_known'),
                            models.CheckConstraint(condition=models.Q(('size_bytes__gte', 0)), name='dataset_size_not_negative'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='Block',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('name', models.CharField(max_length=128)),
                        ('size_bytes', models.BigIntegerField(default=0)),
                        ('num_files', models.PositiveIntegerField(default=0)),
                        ('is_open', models.BooleanField(default=False)),
                        ('last_update', models.DateTimeField()),
                        ('dataset', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='blocks', to='inventory.dataset')),
                    ],
                    options={
                        'ordering': ['dataset_id', 'name'],
                        'constraints': [
                            models.UniqueConstraint(fields=('dataset', 'name'), name='block_unique_in_dataset'),
                            models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='block_has_name'),
                            models.CheckConstraint(condition=models.Q(('size_bytes__gte', 0)), name='block_size_not_negative'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='Group',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('name', models.CharField(max_length=64, unique=True)),
                        ('ownership_level', models.CharField(choices=[('DATASET', 'whole datasets'), ('BLOCK', 'single blocks')], default='BLOCK', max_length=16)),
                    ],
                    options={
                        'ordering': ['name'],
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(('name__in', ['', 'None']), _negated=True), name='group_name_is_not_nobody'),
                            models.CheckConstraint(condition=models.Q(('ownership_level__in', ['DATASET', 'BLOCK'])), name='group_level_known'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='Site',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('name', models.CharField(max_length=64, unique=True, validators=[django.core.validators.MinLengthValidator(1)])),
                        ('host', models.CharField(blank=True, help_text='Name of the storage host.', max_length=255)),
                        ('storage_type', models.CharField(choices=[('DISK', 'disk'), ('MSS', 'tape'), ('BUFFER', 'buffer'), ('UNKNOWN', 'unknown')], default='DISK', max_length=16)),
                        ('status', models.CharField(choices=[('READY', 'ready'), ('WAITROOM', 'waiting room'), ('MORGUE', 'morgue'), ('UNKNOWN', 'unknown')], default='READY', max_length=16)),
                        ('endpoint_url', models.CharField(blank=True, help_text='Where the files are: file:///folder, root://host/folder, davs://host/folder or s3://bucket/folder. Files are never deleted at a site without an endpoint.', max_length=512)),
                        ('lfn_rules', models.JSONField(blank=True, default=list, help_text='Ordered list of {"pattern": regular expression, "replacement": text}: the first that fits turns the logical file name into the path below the endpoint. Empty: the logical name itself.')),
                        ('deletion_paused_at', models.DateTimeField(blank=True, editable=False, null=True)),
                        ('deletion_paused_reason', models.CharField(blank=True, editable=False, max_length=512)),
                        ('deletion_paused_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'ordering': ['name'],
                        'permissions': [('pause_site', 'Can pause deletions at a site'), ('resume_site', 'Can resume deletions at a site'), ('approve_deletion', 'Can approve deletion requests at a site'), ('scan_site', 'Can scan the storage of a site'), ('decide_scan', 'Can decide on what scans of a site found')],
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='site_has_name'),
                            models.CheckConstraint(condition=models.Q(('status__in', ['READY', 'WAITROOM', 'MORGUE', 'UNKNOWN'])), name='site_status_known'),
                            models.CheckConstraint(condition=models.Q(('storage_type__in', ['DISK', 'MSS', 'BUFFER', 'UNKNOWN'])), name='site_storage_type_known'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='DatasetReplica',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('is_growing', models.BooleanField(default=False)),
                        ('dataset', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='replicas', to='inventory.dataset')),
                        ('group', models.ForeignKey(blank=True, help_text='Owner of new blocks.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='dataset_replicas', to='inventory.group')),
                        ('site', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='dataset_replicas', to='inventory.site')),
                    ],
                    options={
                        'ordering': ['dataset_id', 'site_id'],
                        'indexes': [
                            models.Index(fields=['site', 'id'], name='dataset_replica_by_site'),
                        ],
                        'constraints': [
                            models.UniqueConstraint(fields=('dataset', 'site'), name='dataset_replica_unique'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='FactFeed',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('name', models.CharField(choices=[('popularity', 'popularity'), ('tape_requests', 'requests for tape copies'), ('production_releases', 'latest production releases'), ('protected_sites', 'copies at protected sites'), ('global_catalogues', 'global catalogues'), ('unhandled_copies', 'copy requests not handled yet'), ('enforcer', 'enforcer'), ('attributes', 'measured attributes')], max_length=32, unique=True)),
                        ('source', models.CharField(blank=True, help_text='Who measured.', max_length=128)),
                        ('measured_at', models.DateTimeField(blank=True, null=True)),
                        ('max_age', models.DurationField(default=datetime.timedelta(days=2), help_text='Older than this, the facts count as unknown.')),
                    ],
                    options={
                        'ordering': ['name'],
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(('max_age__gt', datetime.timedelta(0))), name='fact_feed_max_age_positive'),
                            models.CheckConstraint(condition=models.Q(('name__in', ['popularity', 'tape_requests', 'production_releases', 'protected_sites', 'global_catalogues', 'unhandled_copies', 'enforcer', 'attributes'])), name='fact_feed_known'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='File',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('lfn', models.CharField(max_length=1024, unique=True)),
                        ('size_bytes', models.BigIntegerField()),
                        ('checksum', models.CharField(blank=True, help_text='Algorithm and value, as adler32:8a23b1c4.', max_length=160)),
                        ('block', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='files', to='inventory.block')),
                    ],
                    options={
                        'ordering': ['block_id', 'lfn'],
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(('lfn', ''), _negated=True), name='file_has_name'),
                            models.CheckConstraint(condition=models.Q(('size_bytes__gte', 0)), name='file_size_not_negative'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='HistoricalSite',
                    fields=[
                        ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                        ('name', models.CharField(db_index=True, max_length=64, validators=[django.core.validators.MinLengthValidator(1)])),
                        ('host', models.CharField(blank=True, help_text='Name of the storage host.', max_length=255)),
                        ('storage_type', models.CharField(choices=[('DISK', 'disk'), ('MSS', 'tape'), ('BUFFER', 'buffer'), ('UNKNOWN', 'unknown')], default='DISK', max_length=16)),
                        ('status', models.CharField(choices=[('READY', 'ready'), ('WAITROOM', 'waiting room'), ('MORGUE', 'morgue'), ('UNKNOWN', 'unknown')], default='READY', max_length=16)),
                        ('endpoint_url', models.CharField(blank=True, help_text='Where the files are: file:///folder, root://host/folder, davs://host/folder or s3://bucket/folder. Files are never deleted at a site without an endpoint.', max_length=512)),
                        ('lfn_rules', models.JSONField(blank=True, default=list, help_text='Ordered list of {"pattern": regular expression, "replacement": text}: the first that fits turns the logical file name into the path below the endpoint. Empty: the logical name itself.')),
                        ('deletion_paused_at', models.DateTimeField(blank=True, editable=False, null=True)),
                        ('deletion_paused_reason', models.CharField(blank=True, editable=False, max_length=512)),
                        ('history_id', models.AutoField(primary_key=True, serialize=False)),
                        ('history_date', models.DateTimeField(db_index=True)),
                        ('history_change_reason', models.CharField(max_length=100, null=True)),
                        ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                        ('deletion_paused_by', models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'verbose_name': 'historical site',
                        'verbose_name_plural': 'historical sites',
                        'ordering': ('-history_date', '-history_id'),
                        'get_latest_by': ('history_date', 'history_id'),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name='Injection',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('source', models.CharField(help_text='File name, - for standard input, or api.', max_length=512)),
                        ('started_by', models.CharField(max_length=150)),
                        ('state', models.CharField(choices=[('QUEUED', 'waits for a worker'), ('RUNNING', 'running'), ('COMPLETED', 'completed'), ('FAILED', 'failed'), ('CANCELLED', 'cancelled')], default='RUNNING', max_length=16)),
                        ('started_at', models.DateTimeField(auto_now_add=True)),
                        ('finished_at', models.DateTimeField(blank=True, null=True)),
                        ('num_records', models.PositiveBigIntegerField(default=0)),
                        ('counts', models.JSONField(blank=True, default=dict, help_text='Per table: created, changed, unchanged.')),
                        ('rejects', models.JSONField(blank=True, default=list, help_text='The first rejected records: number, path, what, expected.')),
                        ('num_rejects', models.PositiveBigIntegerField(default=0)),
                        ('error', models.TextField(blank=True)),
                        ('bad_records', models.CharField(blank=True, help_text='Where the bad records are kept.', max_length=255)),
                        ('brings_back', models.BooleanField(default=False, help_text='Takes block replicas too that were deleted after the document.')),
                        ('cancelled_by', models.CharField(blank=True, max_length=150)),
                        ('document', models.CharField(blank=True, help_text='Where a document that was sent waits for its worker.', max_length=255)),
                        ('is_dry_run', models.BooleanField(default=False, help_text='Tells what would change, and changes nothing.')),
                        ('length_bytes', models.PositiveBigIntegerField(blank=True, help_text='Size of the document as it is stored.', null=True)),
                        ('position_bytes', models.PositiveBigIntegerField(default=0, help_text='How much of the document was read.')),
                        ('skips_bad', models.BooleanField(default=False, help_text='Takes all but bad records, which are kept to be mended.')),
                        ('fingerprint', models.CharField(blank=True, help_text='SHA-256 of a document that is kept part by part.', max_length=64)),
                        ('kept_at', models.DateTimeField(blank=True, help_text='When the last part was kept.', null=True)),
                        ('records_kept', models.PositiveBigIntegerField(default=0, help_text='Records read for what is kept of it.')),
                        ('resume_with', models.JSONField(blank=True, default=dict, help_text='What goes on must be told as what began.')),
                        ('user', models.ForeignKey(blank=True, db_constraint=False, help_text='The account that sent it; none of a command.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'ordering': ['-pk'],
                        'indexes': [
                            models.Index(condition=models.Q(models.Q(('fingerprint', ''), _negated=True), ('state__in', ('QUEUED', 'RUNNING', 'FAILED'))), fields=['fingerprint'], name='injection_half_loaded'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='LockSet',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('owner', models.CharField(help_text='User name of who answers for its locks.', max_length=150)),
                        ('name', models.SlugField(max_length=64)),
                        ('number', models.PositiveIntegerField(default=0, help_text='How often its content has changed.')),
                        ('changed_at', models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        'ordering': ['owner', 'name'],
                        'constraints': [
                            models.UniqueConstraint(fields=('owner', 'name'), name='lock_set_unique'),
                            models.CheckConstraint(condition=models.Q(models.Q(('owner', ''), _negated=True), models.Q(('name', ''), _negated=True)), name='lock_set_has_owner_and_name'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='Lock',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('dataset_pattern', models.CharField(max_length=512)),
                        ('block_pattern', models.CharField(default='*', max_length=128)),
                        ('site_pattern', models.CharField(default='*', max_length=128)),
                        ('group_pattern', models.CharField(default='*', max_length=128)),
                        ('owner', models.CharField(help_text='Person or group that answers for the lock.', max_length=150)),
                        ('source', models.CharField(default='manual', editable=False, help_text='How it came: manual, api, set, inject.', max_length=32)),
                        ('comment', models.CharField(blank=True, max_length=512)),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                        ('expires_at', models.DateTimeField(blank=True, help_text='Enforced; empty: until released.', null=True)),
                        ('released_at', models.DateTimeField(blank=True, editable=False, null=True)),
                        ('created_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('lock_set', models.ForeignKey(blank=True, editable=False, help_text='The set that it belongs to, if it came with one.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='locks', to='inventory.lockset')),
                    ],
                    options={
                        'ordering': ['-created_at', '-pk'],
                        'indexes': [
                            models.Index(condition=models.Q(('released_at__isnull', True)), fields=['dataset_pattern'], name='lock_dataset'),
                            models.Index(condition=models.Q(('released_at__isnull', True)), fields=['expires_at'], name='lock_expiry'),
                        ],
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(models.Q(('dataset_pattern', ''), _negated=True), models.Q(('block_pattern', ''), _negated=True), models.Q(('site_pattern', ''), _negated=True), models.Q(('group_pattern', ''), _negated=True)), name='lock_patterns_not_empty'),
                            models.CheckConstraint(condition=models.Q(('owner', ''), _negated=True), name='lock_has_owner'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='BlockReplica',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('size_bytes', models.BigIntegerField(help_text='Bytes physically present.')),
                        ('num_files', models.PositiveIntegerField(help_text='Files physically present.')),
                        ('is_custodial', models.BooleanField(default=False)),
                        ('last_update', models.DateTimeField()),
                        ('block', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='replicas', to='inventory.block')),
                        ('dataset_replica', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='block_replicas', to='inventory.datasetreplica')),
                        ('group', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='block_replicas', to='inventory.group')),
                        ('site', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='block_replicas', to='inventory.site')),
                    ],
                    options={
                        'ordering': ['dataset_replica_id', 'block_id'],
                        'indexes': [
                            models.Index(fields=['site', 'id'], name='block_replica_by_site'),
                            models.Index(fields=['group', 'site', 'id'], name='block_replica_by_owner'),
                        ],
                        'constraints': [
                            models.UniqueConstraint(fields=('block', 'site'), name='block_replica_unique'),
                            models.CheckConstraint(condition=models.Q(('size_bytes__gte', 0)), name='block_replica_size_not_negative'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='PresentFile',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('block_replica', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='present_files', to='inventory.blockreplica')),
                        ('file', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='inventory.file')),
                    ],
                    options={
                        'constraints': [
                            models.UniqueConstraint(fields=('block_replica', 'file'), name='present_file_unique'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='AuditEvent',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('at', models.DateTimeField(db_index=True)),
                        ('actor', models.CharField(help_text='Login, or the cycle, campaign or worker that acted.', max_length=150)),
                        ('action', models.CharField(db_index=True, help_text='Namespaced name, as inventory.inject.', max_length=64)),
                        ('subject', models.CharField(db_index=True, help_text='What was acted on.', max_length=640)),
                        ('reason', models.TextField(blank=True)),
                        ('details', models.JSONField(blank=True, default=dict)),
                        ('previous_digest', models.CharField(max_length=64)),
                        ('digest', models.CharField(max_length=64, unique=True)),
                        ('user', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('digest_version', models.PositiveSmallIntegerField(default=1, help_text='What the digest is made of; 2: the account, too.')),
                    ],
                    options={
                        'ordering': ['-pk'],
                    },
                ),
                migrations.CreateModel(
                    name='AuditHead',
                    fields=[
                        ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                        ('digest', models.CharField(default='0000000000000000000000000000000000000000000000000000000000000000', max_length=64)),
                        ('num_events', models.BigIntegerField(default=0)),
                        ('last_event', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='inventory.auditevent')),
                    ],
                    options={
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(('id', 1)), name='audit_has_one_head'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='DatasetFacts',
                    fields=[
                        ('dataset', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='facts', serialize=False, to='inventory.dataset')),
                        ('num_accesses', models.FloatField(blank=True, null=True)),
                        ('last_access_at', models.DateTimeField(blank=True, null=True)),
                        ('usage_rank', models.FloatField(blank=True, help_text='Higher is less popular.', null=True)),
                        ('demand_rank', models.FloatField(blank=True, help_text='Higher is less popular.', null=True)),
                        ('tape_copy_requested', models.BooleanField(blank=True, null=True)),
                        ('unhandled_copy_exists', models.BooleanField(blank=True, null=True)),
                        ('unknown_in_all_dbs', models.BooleanField(blank=True, null=True)),
                        ('on_protected_site', models.BooleanField(blank=True, null=True)),
                        ('is_latest_production_release', models.BooleanField(blank=True, null=True)),
                        ('attributes', models.JSONField(blank=True, help_text='Free-form, as the feed of attributes measured them.', null=True)),
                    ],
                    options={
                        'verbose_name_plural': 'dataset facts',
                    },
                ),
                migrations.CreateModel(
                    name='EnforcedReplica',
                    fields=[
                        ('dataset_replica', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='enforced', serialize=False, to='inventory.datasetreplica')),
                    ],
                ),
                migrations.CreateModel(
                    name='CountedDataset',
                    fields=[
                        ('dataset', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='counted', serialize=False, to='inventory.dataset')),
                        ('num_copies', models.PositiveIntegerField(db_index=True)),
                        ('num_complete_copies', models.PositiveIntegerField(db_index=True)),
                    ],
                    options={
                        'ordering': ['pk'],
                    },
                ),
                migrations.CreateModel(
                    name='IncompleteCopy',
                    fields=[
                        ('dataset_replica', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='+', serialize=False, to='inventory.datasetreplica')),
                    ],
                    options={
                        'verbose_name_plural': 'incomplete copies',
                    },
                ),
                migrations.CreateModel(
                    name='StatisticsCell',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('tier', models.CharField(max_length=512)),
                        ('status', models.CharField(max_length=16)),
                        ('data_type', models.CharField(blank=True, max_length=32)),
                        ('release', models.CharField(blank=True, max_length=64)),
                        ('size_bytes', models.BigIntegerField()),
                        ('num_files', models.BigIntegerField()),
                        ('projected_bytes', models.BigIntegerField()),
                        ('projected_files', models.BigIntegerField()),
                        ('num_block_replicas', models.BigIntegerField()),
                        ('group', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='inventory.group')),
                        ('site', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='inventory.site')),
                        ('anywhere_bytes', models.BigIntegerField(default=0, help_text='What all sites together have of the blocks that are here.')),
                        ('anywhere_projected_bytes', models.BigIntegerField(default=0, help_text='The same once incomplete replicas are complete.')),
                        ('whole_bytes', models.BigIntegerField(default=0, help_text='Of the blocks that are here, as if they were complete.')),
                    ],
                    options={
                        'ordering': ['pk'],
                    },
                ),
                migrations.CreateModel(
                    name='StatisticsCount',
                    fields=[
                        ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                        ('counted_at', models.DateTimeField(help_text='The moment of the inventory that the sums are of.', null=True)),
                        ('seconds', models.FloatField(default=0, help_text='How long the count took.')),
                    ],
                    options={
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(('id', 1)), name='statistics_have_one_count'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='StatisticsUnique',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('tier', models.CharField(max_length=512)),
                        ('status', models.CharField(max_length=16)),
                        ('data_type', models.CharField(blank=True, max_length=32)),
                        ('release', models.CharField(blank=True, max_length=64)),
                        ('is_any_group', models.BooleanField()),
                        ('num_datasets', models.BigIntegerField()),
                        ('num_blocks', models.BigIntegerField()),
                        ('size_bytes', models.BigIntegerField()),
                        ('num_files', models.BigIntegerField()),
                        ('group', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='inventory.group')),
                    ],
                    options={
                        'ordering': ['pk'],
                    },
                ),
                migrations.CreateModel(
                    name='CountedPlace',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('tier', models.CharField(max_length=512)),
                        ('status', models.CharField(max_length=16)),
                        ('num_block_replicas', models.BigIntegerField()),
                        ('group', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='inventory.group')),
                        ('site', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='inventory.site')),
                    ],
                    options={
                        'ordering': ['pk'],
                    },
                ),
            ],
        ),
        migrations.RunPython(trigrams.make_index, trigrams.drop_index),
    ]
