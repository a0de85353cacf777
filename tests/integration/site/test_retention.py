"""What is old goes by the settings, with a record; what was deleted, and every act, stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from dynamo_site.services.retention import RETENTIONS, old_forget
from inventory.models import AuditEvent, Injection
from inventory.selectors.snapshot import inventory_standing
from operations.models import Attempt, Deletion, DeletionFile, Trash, TrashFile
from operations.services.activity import activity_sum_up
from policies.models import Cycle, QuotaPreview
from tests.factories.screens import Screens, make_screens

pytestmark = pytest.mark.django_db
NOW = timezone.now()
LATER = NOW + timedelta(days=400)


@pytest.fixture
def screens(settings: Settings, tmp_path: object) -> Screens:
    settings.MEDIA_ROOT, settings.DYNAMO_MAX_SITE_FRACTION = tmp_path, 0.01
    return make_screens(num_datasets=2)


def finish(screens: Screens) -> None:
    Deletion.objects.update(state="DONE", finished_at=NOW)
    Trash.objects.update(state="PURGED", finished_at=NOW)
    activity_sum_up(now=LATER)


def test_details_of_deletions_go_and_deletions_stay(screens: Screens) -> None:
    finish(screens)
    assert old_forget(now=NOW + timedelta(days=364)).keys().isdisjoint({RETENTIONS[-1].what})
    assert old_forget(now=LATER)[RETENTIONS[-1].what] == 4
    assert [model.objects.count() for model in (Attempt, DeletionFile, TrashFile)] == [0, 0, 0]
    kept = Deletion.objects.select_related("plan_item").get()
    assert (kept.state, kept.plan_item.rule_text != "") == ("DONE", True)
    assert Trash.objects.get().files == []
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.actor, event.details["removed"][RETENTIONS[-1].what]) == ("site.old_forgotten", "schedule", 4)
    assert old_forget(now=LATER) == {}
    assert AuditEvent.objects.latest("pk") == event


def test_details_stay_until_the_activity_is_summed_up(screens: Screens) -> None:
    Deletion.objects.update(state="DONE", finished_at=NOW)
    old_forget(now=LATER)
    assert Attempt.objects.count() == 1


def test_what_is_open_is_never_touched(screens: Screens) -> None:
    activity_sum_up(now=LATER)
    Injection.objects.update(state="RUNNING", finished_at=None)
    QuotaPreview.objects.create(changes=[], clock=NOW, started_by="x")
    old_forget(now=LATER + timedelta(days=4000))
    assert [model.objects.count() for model in (Attempt, DeletionFile, Injection, QuotaPreview)] == [1, 1, 1, 1]
    assert Trash.objects.get().files


def test_files_and_records_of_jobs_go_and_the_newest_injection_stays(screens: Screens) -> None:
    newest = Injection.objects.latest("pk")
    path = default_storage.save("bad", ContentFile(b"x"))
    old = Injection.objects.create(source="o", started_by="x", state="FAILED", finished_at=NOW, bad_records=path)
    QuotaPreview.objects.create(changes=[], clock=NOW, started_by="x", state="COMPLETED", finished_at=NOW)
    assert old_forget(now=NOW + timedelta(days=31)) == {RETENTIONS[0].what: 1}
    assert not default_storage.exists(path)
    assert old_forget(now=LATER) == {RETENTIONS[1].what: 1, RETENTIONS[2].what: 1}
    assert list(Injection.objects.all()) == [newest]
    assert not Injection.objects.filter(pk=old.pk).exists()


def test_decisions_are_kept_for_ever_unless_the_setting_says_otherwise(screens: Screens, settings: Settings) -> None:
    names = list(Cycle.objects.values_list("decisions_file", flat=True))
    assert RETENTIONS[3].what not in old_forget(now=LATER)
    settings.DYNAMO_DECISIONS_DAYS = 300
    assert old_forget(now=LATER)[RETENTIONS[3].what] == len(names) == 2
    assert not any(default_storage.exists(name) for name in names)
    assert set(Cycle.objects.values_list("decisions_file", flat=True)) == {""}


def test_a_negative_number_of_days_removes_nothing(screens: Screens, settings: Settings) -> None:
    finish(screens)
    settings.DYNAMO_JOB_DAYS = -1
    with pytest.raises(ImproperlyConfigured, match="DYNAMO_JOB_DAYS is -1"):
        old_forget(now=LATER)
    assert Attempt.objects.count() == 1


def test_a_document_that_is_there_by_half_is_never_forgotten(screens: Screens) -> None:
    half = Injection.objects.create(
        source="h", started_by="x", state="FAILED", finished_at=NOW, fingerprint="f" * 64, records_kept=5
    )
    over = Injection.objects.create(
        source="g", started_by="x", state="CANCELLED", finished_at=NOW, fingerprint="e" * 64, records_kept=5
    )
    assert old_forget(now=LATER) == {RETENTIONS[1].what: 1}
    assert not Injection.objects.filter(pk=over.pk).exists()
    assert f"injection {half.pk}" in inventory_standing().half_loaded
