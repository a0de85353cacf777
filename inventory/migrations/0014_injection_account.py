import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def give_accounts(apps, schema_editor):
    """Give those that may go on the account that sent them: a document is stored only of who logged in."""
    user_model = apps.get_model(*settings.AUTH_USER_MODEL.split("."))
    accounts = user_model.objects.using(schema_editor.connection.alias).filter(username=OuterRef("started_by"))
    injections = apps.get_model("inventory", "Injection").objects.using(schema_editor.connection.alias)
    injections.exclude(document="").update(user_id=Subquery(accounts.values("pk")[:1]))


class Migration(migrations.Migration):

    dependencies = [
        ('inventory', '0013_account_in_audit_digest'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='injection',
            name='user',
            field=models.ForeignKey(blank=True, db_constraint=False, help_text='The account that sent it; none of a command.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.RunPython(give_accounts, migrations.RunPython.noop),
    ]
