"""All up to 0004 at once, for databases that have none of it yet. Left out: what 0004 did to reports that were there."""

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from inventory.migrations._create_models import CreateModels


class Migration(migrations.Migration):

    replaces = [
        ('campaigns', '0001_initial'),
        ('campaigns', '0002_look'),
        ('campaigns', '0003_studied_transfers'),
        ('campaigns', '0004_report_by_a_worker'),
    ]

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('inventory', '0012_batch_by_request'),
        ('policies', '0008_cycle_evidence'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        CreateModels(
            operations=[
                migrations.CreateModel(
                    name='Campaign',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('title', models.CharField(max_length=200, unique=True)),
                        ('purpose', models.TextField(help_text='Why the data may go; everybody who is told of the campaign reads it.')),
                        ('site_patterns', models.CharField(default='*', help_text='Sites that it may touch, with blanks between; * and ? as in locks. A text that reaches further is refused.', max_length=1024)),
                        ('text', models.TextField(help_text='Policy text; granted exceptions are put on top of it when it is studied.')),
                        ('state', models.CharField(choices=[('DRAFT', 'draft'), ('STUDIED', 'studied'), ('PROPOSED', 'proposed'), ('APPROVED', 'approved'), ('REJECTED', 'rejected'), ('EXECUTING', 'executing'), ('PAUSED', 'paused'), ('COMPLETED', 'completed'), ('CANCELLED', 'cancelled'), ('EXPIRED', 'expired')], default='DRAFT', editable=False, max_length=16)),
                        ('state_reason', models.TextField(blank=True, editable=False, help_text='Why it is where it is, where somebody had to say.')),
                        ('exceptions_close_at', models.DateTimeField(blank=True, help_text='Until then exceptions may be asked for.', null=True)),
                        ('earliest_start_at', models.DateTimeField(blank=True, help_text='Nothing is deleted before.', null=True)),
                        ('expires_at', models.DateTimeField(blank=True, help_text='Nothing is deleted afterwards.', null=True)),
                        ('announced_at', models.DateTimeField(blank=True, editable=False, null=True)),
                        ('notice_reason', models.CharField(blank=True, help_text='Why exceptions close sooner than the usual notice; shown to everybody.', max_length=512)),
                        ('starts_by_itself', models.BooleanField(default=False, help_text='Executes as soon as it may, without anybody.')),
                        ('site_bytes_per_day', models.BigIntegerField(blank=True, help_text='At most so many bytes go at a site in a day (UTC). Empty: no limit.', null=True)),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                        ('created_by', models.CharField(max_length=150)),
                        ('started_at', models.DateTimeField(blank=True, editable=False, null=True)),
                        ('finished_at', models.DateTimeField(blank=True, editable=False, null=True)),
                        ('coordinator', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='coordinated_campaigns', to=settings.AUTH_USER_MODEL)),
                        ('partition', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='campaigns', to='policies.partition')),
                    ],
                    options={
                        'ordering': ['-pk'],
                        'permissions': [('propose_campaign', 'Can propose the campaign'), ('approve_campaign', 'Can sign the campaign'), ('pause_campaign', 'Can pause the campaign'), ('execute_campaign', 'Can execute and resume the campaign'), ('decide_exceptions', 'Can decide exceptions from the campaign')],
                        'indexes': [
                            models.Index(fields=['state'], name='campaign_by_state'),
                        ],
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(('state__in', ['DRAFT', 'STUDIED', 'PROPOSED', 'APPROVED', 'REJECTED', 'EXECUTING', 'PAUSED', 'COMPLETED', 'CANCELLED', 'EXPIRED'])), name='campaign_state_known'),
                            models.CheckConstraint(condition=models.Q(models.Q(('title', ''), _negated=True), models.Q(('purpose', ''), _negated=True)), name='campaign_has_title_and_purpose'),
                            models.CheckConstraint(condition=models.Q(models.Q(('exceptions_close_at__isnull', True), ('earliest_start_at__isnull', True), ('exceptions_close_at__lte', models.F('earliest_start_at')), _connector='OR'), models.Q(('earliest_start_at__isnull', True), ('expires_at__isnull', True), ('earliest_start_at__lt', models.F('expires_at')), _connector='OR'), models.Q(('announced_at__isnull', True), ('exceptions_close_at__isnull', True), ('announced_at__lt', models.F('exceptions_close_at')), _connector='OR')), name='campaign_times_ordered', violation_error_message='The times must come in this order: announced, exceptions close, earliest start, expiry.'),
                            models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['APPROVED', 'COMPLETED', 'EXECUTING', 'PAUSED', 'PROPOSED', 'REJECTED']), _negated=True), models.Q(('announced_at__isnull', False), ('earliest_start_at__isnull', False), ('exceptions_close_at__isnull', False), ('expires_at__isnull', False)), _connector='OR'), name='campaign_announced_with_times'),
                            models.CheckConstraint(condition=models.Q(('site_bytes_per_day__isnull', True), ('site_bytes_per_day__gt', 0), _connector='OR'), name='campaign_portion_positive'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='CampaignEvent',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('at', models.DateTimeField()),
                        ('actor', models.CharField(max_length=150)),
                        ('action', models.CharField(max_length=32)),
                        ('from_state', models.CharField(choices=[('DRAFT', 'draft'), ('STUDIED', 'studied'), ('PROPOSED', 'proposed'), ('APPROVED', 'approved'), ('REJECTED', 'rejected'), ('EXECUTING', 'executing'), ('PAUSED', 'paused'), ('COMPLETED', 'completed'), ('CANCELLED', 'cancelled'), ('EXPIRED', 'expired')], max_length=16)),
                        ('to_state', models.CharField(choices=[('DRAFT', 'draft'), ('STUDIED', 'studied'), ('PROPOSED', 'proposed'), ('APPROVED', 'approved'), ('REJECTED', 'rejected'), ('EXECUTING', 'executing'), ('PAUSED', 'paused'), ('COMPLETED', 'completed'), ('CANCELLED', 'cancelled'), ('EXPIRED', 'expired')], max_length=16)),
                        ('reason', models.TextField(blank=True)),
                        ('details', models.JSONField(blank=True, default=dict)),
                        ('audit_event', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='inventory.auditevent')),
                        ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='events', to='campaigns.campaign')),
                        ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'ordering': ['campaign_id', 'pk'],
                    },
                ),
                migrations.CreateModel(
                    name='CampaignReport',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('made_at', models.DateTimeField(help_text='The moment that it tells of; when it was asked for, until a worker has begun.')),
                        ('made_by', models.CharField(max_length=150)),
                        ('is_final', models.BooleanField(default=False, help_text='Made when the campaign was over.')),
                        ('files', models.JSONField(default=dict, help_text='By kind (json, html, csv, parquet): name in the storage, bytes and SHA-256.')),
                        ('audit_event', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='inventory.auditevent')),
                        ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reports', to='campaigns.campaign')),
                        ('error', models.TextField(blank=True)),
                        ('finished_at', models.DateTimeField(blank=True, null=True)),
                        ('heartbeat_at', models.DateTimeField(default=django.utils.timezone.now)),
                        ('progress', models.FloatField(default=0, help_text='Part done, 0 to 1.')),
                        ('stage', models.CharField(blank=True, max_length=128)),
                        ('state', models.CharField(choices=[('RUNNING', 'running'), ('COMPLETED', 'completed'), ('FAILED', 'failed')], default='RUNNING', max_length=16)),
                        ('user', models.ForeignKey(blank=True, help_text='Who asked for it.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'ordering': ['-pk'],
                        'constraints': [
                            models.UniqueConstraint(condition=models.Q(('state', 'RUNNING')), fields=('campaign',), name='report_one_running_per_campaign'),
                            models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('state', 'RUNNING')), models.Q(models.Q(('state', 'RUNNING'), _negated=True), ('finished_at__isnull', False)), _connector='OR'), name='report_finished_when_over'),
                            models.CheckConstraint(condition=models.Q(models.Q(('audit_event__isnull', False), ('state', 'COMPLETED')), models.Q(models.Q(('state', 'COMPLETED'), _negated=True), ('audit_event__isnull', True)), _connector='OR'), name='report_completed_when_in_the_chain'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='Comment',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('author_name', models.CharField(max_length=150)),
                        ('text', models.TextField()),
                        ('at', models.DateTimeField()),
                        ('author', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='comments', to='campaigns.campaign')),
                    ],
                    options={
                        'ordering': ['campaign_id', 'pk'],
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(('text', ''), _negated=True), name='comment_says_something'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='GroupRepresentative',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('group', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='representatives', to='inventory.group')),
                        ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='represented_groups', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'ordering': ['group_id', 'user_id'],
                        'constraints': [
                            models.UniqueConstraint(fields=('group', 'user'), name='representative_unique'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='Notice',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('kind', models.CharField(choices=[('ANNOUNCED', 'announced'), ('TO_SIGN', 'waits for your signature'), ('REMINDER', 'exceptions close soon'), ('EXCEPTION_ASKED', 'an exception waits for your decision'), ('EXCEPTION_DECIDED', 'your exception is decided'), ('MOVED', 'the campaign has moved on')], max_length=32)),
                        ('key', models.CharField(help_text='What it is about: the same thing is told to the same person once.', max_length=128)),
                        ('subject', models.CharField(max_length=255)),
                        ('text', models.TextField()),
                        ('part', models.JSONField(blank=True, default=dict, help_text='What of the list concerns this person: bytes, replicas, why.')),
                        ('due_at', models.DateTimeField(blank=True, help_text='Until when it waits for an answer.', null=True)),
                        ('created_at', models.DateTimeField()),
                        ('read_at', models.DateTimeField(blank=True, null=True)),
                        ('mailed_at', models.DateTimeField(blank=True, null=True)),
                        ('mail_attempts', models.PositiveSmallIntegerField(default=0)),
                        ('mail_not_before', models.DateTimeField(blank=True, null=True)),
                        ('mail_error', models.CharField(blank=True, max_length=512)),
                        ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notices', to='campaigns.campaign')),
                        ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='campaign_notices', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'ordering': ['-pk'],
                        'indexes': [
                            models.Index(fields=['user', 'read_at'], name='notice_inbox'),
                            models.Index(condition=models.Q(('mailed_at__isnull', True)), fields=['mail_not_before'], name='notice_to_mail'),
                        ],
                        'constraints': [
                            models.UniqueConstraint(fields=('user', 'key'), name='notice_told_once'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='QuorumRule',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('min_signatures', models.PositiveSmallIntegerField(default=1, help_text='In all; two at least where tape, last copies or more than 1 % of the partition are concerned.', validators=[django.core.validators.MinValueValidator(1)])),
                        ('partition', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='quorum_rule', to='policies.partition')),
                    ],
                    options={
                        'ordering': ['partition_id'],
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(('min_signatures__gte', 1)), name='quorum_at_least_one'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='QuorumGroup',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('min_signatures', models.PositiveSmallIntegerField(default=1, validators=[django.core.validators.MinValueValidator(1)])),
                        ('group', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='auth.group')),
                        ('rule', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='groups', to='campaigns.quorumrule')),
                    ],
                    options={
                        'ordering': ['rule_id', 'group_id'],
                        'constraints': [
                            models.UniqueConstraint(fields=('rule', 'group'), name='quorum_group_unique'),
                            models.CheckConstraint(condition=models.Q(('min_signatures__gte', 1)), name='quorum_group_at_least_one'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='Revision',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('number', models.PositiveIntegerField()),
                        ('text', models.TextField(help_text='As it was evaluated: granted exceptions on top.')),
                        ('digest', models.CharField(help_text='SHA-256 of the frozen list; that of the plan.', max_length=64)),
                        ('clock', models.DateTimeField(help_text="What the text's times are relative to.")),
                        ('snapshot_at', models.DateTimeField(help_text='When the inventory was read.')),
                        ('created_at', models.DateTimeField()),
                        ('created_by', models.CharField(max_length=150)),
                        ('num_items', models.PositiveIntegerField(help_text='Block replicas.')),
                        ('num_replicas', models.PositiveIntegerField(help_text='Dataset replicas.')),
                        ('num_datasets', models.PositiveIntegerField()),
                        ('num_files', models.PositiveBigIntegerField()),
                        ('size_bytes', models.BigIntegerField()),
                        ('partition_bytes', models.BigIntegerField(help_text='What the whole partition held then.')),
                        ('num_last_copies', models.PositiveIntegerField(help_text='Block replicas after which no complete copy is left anywhere.')),
                        ('last_copy_bytes', models.BigIntegerField()),
                        ('num_tape_items', models.PositiveIntegerField()),
                        ('tape_bytes', models.BigIntegerField()),
                        ('sums', models.JSONField(default=dict, help_text='By site, tier, era and group; last access; largest; what else touches it.')),
                        ('usual_status', models.CharField(blank=True, help_text='Status of each dataset without a StudiedStatus.', max_length=16)),
                        ('items_file', models.CharField(help_text='The list with what people ask of it: a Parquet file in the default storage.', max_length=255)),
                        ('told_at', models.DateTimeField(blank=True, help_text='When everybody concerned had been told of the proposal.', null=True)),
                        ('is_current', models.BooleanField(default=True)),
                        ('voided_at', models.DateTimeField(blank=True, null=True)),
                        ('voided_reason', models.CharField(blank=True, max_length=512)),
                        ('proposed_at', models.DateTimeField(blank=True, null=True)),
                        ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='revisions', to='campaigns.campaign')),
                        ('cycle', models.OneToOneField(help_text='Test run that decided.', on_delete=django.db.models.deletion.PROTECT, related_name='campaign_revision', to='policies.cycle')),
                        ('plan', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='campaign_revision', to='policies.plan')),
                        ('proposed_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='proposed_revisions', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'ordering': ['campaign_id', '-number'],
                        'constraints': [
                            models.UniqueConstraint(fields=('campaign', 'number'), name='revision_number_unique'),
                            models.UniqueConstraint(condition=models.Q(('is_current', True)), fields=('campaign',), name='revision_one_current_per_campaign'),
                            models.CheckConstraint(condition=models.Q(models.Q(('proposed_at__isnull', True), ('proposed_by__isnull', True)), models.Q(('proposed_at__isnull', False), ('proposed_by__isnull', False)), _connector='OR'), name='revision_proposed_by_somebody'),
                            models.CheckConstraint(condition=models.Q(models.Q(('is_current', True), ('voided_at__isnull', True)), models.Q(('is_current', False), ('voided_at__isnull', False)), _connector='OR'), name='revision_current_or_voided'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='ExceptionRequest',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('patterns', models.JSONField(help_text='Names of datasets, or patterns with * and ?.')),
                        ('reason', models.TextField()),
                        ('until', models.DateField(help_text='Last day on which the data are to be kept.')),
                        ('group_name', models.CharField(help_text='Group that the data are kept for.', max_length=64)),
                        ('state', models.CharField(choices=[('ASKED', 'asked for'), ('GRANTED', 'granted'), ('SHORTENED', 'granted for a shorter time'), ('REFUSED', 'refused'), ('WITHDRAWN', 'withdrawn')], default='ASKED', max_length=16)),
                        ('asked_at', models.DateTimeField()),
                        ('num_items', models.PositiveIntegerField(help_text='Block replicas of that list which it concerns.')),
                        ('size_bytes', models.BigIntegerField()),
                        ('decided_at', models.DateTimeField(blank=True, null=True)),
                        ('decision_reason', models.TextField(blank=True)),
                        ('granted_until', models.DateField(blank=True, null=True)),
                        ('becomes_lock', models.BooleanField(default=False, help_text='Outlives the campaign as a lock until its end.')),
                        ('asked_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='exceptions_asked', to=settings.AUTH_USER_MODEL)),
                        ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='exceptions', to='campaigns.campaign')),
                        ('decided_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='exceptions_decided', to=settings.AUTH_USER_MODEL)),
                        ('revision', models.ForeignKey(help_text='The list that the effect was taken of.', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='campaigns.revision')),
                    ],
                    options={
                        'ordering': ['campaign_id', 'pk'],
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(('state__in', ['ASKED', 'GRANTED', 'SHORTENED', 'REFUSED', 'WITHDRAWN'])), name='exception_state_known'),
                            models.CheckConstraint(condition=models.Q(models.Q(('reason', ''), _negated=True), models.Q(('patterns', []), _negated=True)), name='exception_says_what_and_why'),
                            models.CheckConstraint(condition=models.Q(models.Q(('decided_at__isnull', True), ('decided_by__isnull', True), ('state', 'ASKED')), models.Q(models.Q(('state', 'ASKED'), _negated=True), ('decided_at__isnull', False), ('decided_by__isnull', False)), _connector='OR'), name='exception_decided_by_somebody'),
                            models.CheckConstraint(condition=models.Q(models.Q(('granted_until__isnull', False), ('granted_until__lte', models.F('until')), ('state__in', ['GRANTED', 'SHORTENED'])), models.Q(models.Q(('state__in', ['GRANTED', 'SHORTENED']), _negated=True), ('granted_until__isnull', True)), _connector='OR'), name='exception_granted_within_what_was_asked'),
                            models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['REFUSED', 'SHORTENED']), _negated=True), models.Q(('decision_reason', ''), _negated=True), _connector='OR'), name='exception_refused_with_reason'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='DroppedItem',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('reason', models.CharField(max_length=512)),
                        ('size_bytes', models.BigIntegerField()),
                        ('at', models.DateTimeField()),
                        ('plan_item', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='campaign_drop', to='policies.planitem')),
                        ('exception', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='dropped', to='campaigns.exceptionrequest')),
                        ('revision', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='dropped', to='campaigns.revision')),
                    ],
                    options={
                        'ordering': ['revision_id', 'plan_item_id'],
                    },
                ),
                migrations.CreateModel(
                    name='Approval',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('digest', models.CharField(help_text='The digest that the approver had before the eyes.', max_length=64)),
                        ('verdict', models.CharField(choices=[('APPROVE', 'approve'), ('REJECT', 'reject'), ('ABSTAIN', 'abstain')], max_length=8)),
                        ('group_names', models.JSONField(default=list, help_text='Groups that must sign of which the approver was a member then.')),
                        ('comment', models.TextField(blank=True)),
                        ('address', models.CharField(blank=True, help_text="Network address that it came from, or 'shell'.", max_length=64)),
                        ('at', models.DateTimeField()),
                        ('approver', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='campaign_approvals', to=settings.AUTH_USER_MODEL)),
                        ('requester', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to='campaigns.campaign')),
                        ('revision', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to='campaigns.revision')),
                    ],
                    options={
                        'ordering': ['campaign_id', 'pk'],
                        'constraints': [
                            models.CheckConstraint(condition=models.Q(('requester', models.F('approver')), _negated=True), name='approval_not_by_proposer', violation_error_message='Who proposed a revision never signs it.'),
                            models.UniqueConstraint(fields=('campaign', 'revision', 'approver'), name='approval_once_per_revision'),
                            models.CheckConstraint(condition=models.Q(('verdict__in', ['APPROVE', 'REJECT', 'ABSTAIN'])), name='approval_verdict_known'),
                            models.CheckConstraint(condition=models.Q(models.Q(('verdict', 'REJECT'), _negated=True), models.Q(('comment', ''), _negated=True), _connector='OR'), name='rejection_has_reason'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='StudiedStatus',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('dataset_name', models.CharField(max_length=512)),
                        ('status', models.CharField(max_length=16)),
                        ('revision', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='statuses', to='campaigns.revision')),
                    ],
                    options={
                        'constraints': [
                            models.UniqueConstraint(fields=('revision', 'dataset_name'), name='studied_status_unique'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='Study',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('state', models.CharField(choices=[('RUNNING', 'running'), ('COMPLETED', 'completed'), ('FAILED', 'failed')], default='RUNNING', max_length=16)),
                        ('base_text', models.TextField(help_text="The campaign's text when it was started.")),
                        ('stage', models.CharField(blank=True, max_length=64)),
                        ('progress', models.FloatField(default=0, help_text='Part done, 0 to 1.')),
                        ('error', models.TextField(blank=True)),
                        ('started_by', models.CharField(max_length=150)),
                        ('started_at', models.DateTimeField()),
                        ('heartbeat_at', models.DateTimeField(default=django.utils.timezone.now)),
                        ('finished_at', models.DateTimeField(blank=True, null=True)),
                        ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='studies', to='campaigns.campaign')),
                        ('cycle', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='campaign_study', to='policies.cycle')),
                        ('revision', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='study', to='campaigns.revision')),
                    ],
                    options={
                        'verbose_name_plural': 'studies',
                        'ordering': ['-pk'],
                        'constraints': [
                            models.UniqueConstraint(condition=models.Q(('state', 'RUNNING')), fields=('campaign',), name='study_one_running_per_campaign'),
                            models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('state', 'RUNNING')), models.Q(models.Q(('state', 'RUNNING'), _negated=True), ('finished_at__isnull', False)), _connector='OR'), name='study_finished_when_over'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='Look',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('at', models.DateTimeField()),
                        ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='looks', to='campaigns.campaign')),
                        ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'constraints': [
                            models.UniqueConstraint(fields=('campaign', 'user'), name='look_unique'),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name='StudiedTransfer',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('dataset_name', models.CharField(max_length=512)),
                        ('site_name', models.CharField(blank=True, help_text='Empty: asked for, no site takes it yet.', max_length=64)),
                        ('revision', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='transfers', to='campaigns.revision')),
                    ],
                    options={
                        'constraints': [
                            models.UniqueConstraint(fields=('revision', 'dataset_name', 'site_name'), name='studied_transfer_unique'),
                        ],
                    },
                ),
            ],
        ),
    ]
