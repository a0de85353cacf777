"""An index of trigrams, so that PostgreSQL finds /*/RunIISummer20*/* without reading every name.

Making the extension needs no superuser where PostgreSQL 13 or later trusts it and the account may create in the database.
Where it cannot be made, everything works without it, wildcards in the middle of a name more slowly: see docs/lists.md.
"""

import logging

from django.db import DatabaseError, migrations, transaction

logger = logging.getLogger(__name__)


def make_index(apps, schema_editor):
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            cursor.execute("CREATE INDEX IF NOT EXISTS dataset_name_trigrams ON inventory_dataset USING gin (name gin_trgm_ops)")
    except DatabaseError as error:
        logger.warning("no index of trigrams, wildcards in names will be slower (docs/lists.md says what to do): %s", error)


def drop_index(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS dataset_name_trigrams")


class Migration(migrations.Migration):
    dependencies = [("inventory", "0003_lists_and_statistics")]

    operations = [migrations.RunPython(make_index, drop_index)]
