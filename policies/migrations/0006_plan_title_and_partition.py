from django.db import migrations
from django.db.models import OuterRef, Subquery


def fill(apps, schema_editor):
    """Plans that were frozen before they named title and partition are all of cycles, which do."""
    plan = apps.get_model("policies", "Plan")
    cycle = apps.get_model("policies", "Cycle")
    of_plan = cycle.objects.filter(pk=OuterRef("cycle_id"))
    plan.objects.filter(partition__isnull=True).update(
        partition_id=Subquery(of_plan.values("partition_id")[:1]), title=Subquery(of_plan.values("source")[:1])
    )


class Migration(migrations.Migration):
    dependencies = [
        ("policies", "0005_plan_kind"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
