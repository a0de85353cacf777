"""Tokens issued before there were scopes opened everything that their users may; they go on so until they expire."""

import uuid

from django.db import migrations

#: All scopes as they were when this was written.
SCOPES = ["read", "inventory:write", "policies:write", "campaigns:write", "operations:write", "tokens:write"]


def take_over(apps, schema_editor):
    using = schema_editor.connection.alias
    api_token = apps.get_model("dynamo_site", "ApiToken")
    taken = api_token.objects.using(using).values_list("pk", flat=True)
    for token in apps.get_model("knox", "AuthToken").objects.using(using).exclude(pk__in=list(taken)):
        child = api_token(authtoken_ptr_id=token.pk, uid=uuid.uuid4(), name="issued before scopes", scopes=SCOPES, issued_by="")
        child.__dict__.update({field.attname: getattr(token, field.attname) for field in token._meta.concrete_fields})
        child.save_base(raw=True, using=using)


class Migration(migrations.Migration):
    dependencies = [("dynamo_site", "0001_api_tokens_and_answers")]
    operations = [migrations.RunPython(take_over, migrations.RunPython.noop)]
