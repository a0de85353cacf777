"""Records of injections, their documents and bad records, removed when they are old; what they brought stays."""

from __future__ import annotations

from datetime import datetime

from django.core.files.storage import default_storage
from django.db.models import Max

from inventory.choices import InjectionState
from inventory.models import Injection
from inventory.selectors.injections import half_loaded_injections

_UNDER_WAY = (InjectionState.QUEUED, InjectionState.RUNNING)


def documents_forget(*, before: datetime) -> int:
    """Remove the documents and bad records of injections that were over before that moment; return how many files.

    Rows forget the names first, as in ``policies.services.retention``. The document of what is there by half stays: somebody
    may go on with it.
    """
    over = Injection.objects.exclude(state__in=_UNDER_WAY).filter(finished_at__lt=before)
    over = over.exclude(pk__in=half_loaded_injections().values("pk"))
    names = []
    for field in ("document", "bad_records"):
        for pk, name in over.exclude(**{field: ""}).order_by("pk").values_list("pk", field):
            Injection.objects.filter(pk=pk).update(**{field: ""})
            names.append(name)
    for name in names:
        default_storage.delete(name)
    return len(names)


def injections_forget(*, before: datetime) -> int:
    """Remove the records of injections that were over before that moment and have no files any more; return how many.

    The newest completed one stays, however old: it says how old the inventory is. So does one that is there by half: it says
    that the inventory is not to be believed, until somebody goes on with it or gives it up.
    """
    completed = Injection.objects.filter(state=InjectionState.COMPLETED, is_dry_run=False).order_by()
    newest = completed.aggregate(newest=Max("pk"))["newest"]
    over = Injection.objects.exclude(state__in=_UNDER_WAY).exclude(pk=newest).filter(finished_at__lt=before)
    over = over.exclude(pk__in=half_loaded_injections().values("pk"))
    return over.filter(document="", bad_records="").delete()[0]
