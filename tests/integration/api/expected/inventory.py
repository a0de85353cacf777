"""Who may do what with the inventory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from dynamo_site.stories import STORY_RIGHTS
from inventory.choices import FactFeedName, InjectionState
from inventory.models import Dataset, FactFeed, Injection, LockSet, Site
from tests.factories.screens import Screens
from tests.integration.api.expected import Expected, rights_below

INVENTORY = "/api/v1/inventory/"
EXPORTED = ("site", "dataset", "block", "file", "dataset-replica", "block-replica")


def dataset(_: Screens) -> Dataset:
    return Dataset.objects.earliest("pk")


def another_dataset(_: Screens) -> Dataset:
    return Dataset.objects.latest("pk")


def of_dataset(screens: Screens) -> Mapping[str, Any]:
    return {"pk": dataset(screens).pk}


def of_lock(screens: Screens) -> Mapping[str, Any]:
    return {"pk": screens.lock.pk}


def of_lock_set(_: Screens) -> Mapping[str, Any]:
    LockSet.objects.get_or_create(owner="physics", name="thesis", defaults={"changed_at": timezone.now()})
    return {"owner": "physics", "name": "thesis"}


LOCKS = f"{INVENTORY}locks/"
LOCK = LOCKS + "(?P<pk>[^/.]+)/"
LOCK_SET = INVENTORY + "lock-sets/<str:owner>/<slug:name>/"
VIEW_LOCK, ADD_LOCK, CHANGE_LOCK = "inventory.view_lock", "inventory.add_lock", "inventory.change_lock"
PATTERN = {"dataset_pattern": "/X/*"}

# Rights on locks go by their owner, not by object.
OF_LOCKS = (
    Expected("GET", LOCKS, VIEW_LOCK),
    Expected("POST", LOCKS, ADD_LOCK, 201, body=lambda _: PATTERN),
    Expected("POST", LOCKS + "preview/", VIEW_LOCK, body=lambda _: PATTERN),
    Expected("GET", LOCK, VIEW_LOCK, kwargs=of_lock),
    Expected(
        "PATCH", LOCK, CHANGE_LOCK, kwargs=of_lock, body=lambda _: {"expires_at": "2099-01-01T00:00:00Z"}, also=(VIEW_LOCK,)
    ),
    Expected("DELETE", LOCK, CHANGE_LOCK, kwargs=of_lock, also=(VIEW_LOCK,)),
    Expected("GET", LOCK + "holding/", VIEW_LOCK, kwargs=of_lock),
    Expected("POST", LOCK + "release/", CHANGE_LOCK, kwargs=of_lock, body=lambda _: {}),
    Expected("GET", LOCK_SET, VIEW_LOCK, kwargs=of_lock_set),
    Expected(
        "PUT",
        LOCK_SET,
        CHANGE_LOCK,
        kwargs=of_lock_set,
        body=lambda _: {"locks": [PATTERN]},
        also=(ADD_LOCK,),
        is_versioned=False,
    ),
)

INJECTIONS = f"{INVENTORY}injections/"
INJECTION = INJECTIONS + "(?P<pk>[^/.]+)/"
VIEW_INJECTION, ADD_INJECTION = "inventory.view_injection", "inventory.add_injection"
CHANGE_INJECTION = "inventory.change_injection"


def injection(name: str, **fields: Any) -> Injection:
    values = {"state": InjectionState.COMPLETED, "started_by": "x", **fields}
    return Injection.objects.get_or_create(source=name, defaults=values)[0]


def with_bad_records(_: Screens) -> Injection:
    return injection("bad", bad_records=default_storage.save("bad.jsonl.gz", ContentFile(b"x")))


def queued(_: Screens) -> Injection:
    return injection("queued", state=InjectionState.QUEUED, document=default_storage.save("q", ContentFile(b"{}")))


def dry_run(_: Screens) -> Injection:
    return injection("dry", is_dry_run=True, document=default_storage.save("dry", ContentFile(b"{}")))


def half_loaded(_: Screens) -> Injection:
    sender, _is_new = User.objects.get_or_create(username="half", defaults={"is_superuser": True})
    state = {"state": InjectionState.FAILED, "fingerprint": "f", "records_kept": 1, "user": sender}
    return injection("half", document=default_storage.save("half", ContentFile(b"{}")), **state)


def another_injection(_: Screens) -> Injection:
    return injection("another")


def decided(act: str, of: Callable[[Screens], Injection], **more: Any) -> Expected:
    """Return an act on an injection that somebody else has sent; that its sender may, too, has a test of its own."""
    more = {"also": (VIEW_INJECTION,), "guarded": of, "another": another_injection} | more
    return Expected("POST", f"{INJECTION}{act}/", CHANGE_INJECTION, kwargs=lambda screens: {"pk": of(screens).pk}, **more)


# An injection is seen by the view right, in general or on it.
OF_INJECTIONS = (
    Expected("POST", INJECTIONS, ADD_INJECTION, 201, body=lambda _: {"group": [{"name": "New"}]}),
    Expected(
        "GET",
        INJECTION + "bad-records/",
        VIEW_INJECTION,
        kwargs=lambda screens: {"pk": with_bad_records(screens).pk},
        guarded=with_bad_records,
        another=another_injection,
    ),
    Expected(
        "POST",
        f"{INVENTORY}feeds/<slug:name>/",
        ADD_INJECTION,
        201,
        kwargs=lambda _: {"name": "popularity"},
        query={"measured_at": "2026-01-01T00:00:00Z", "source": "counts"},
        body=lambda _: {},
    ),
    decided("cancel", queued),
    decided("confirm", dry_run, status=202, also=(VIEW_INJECTION, ADD_INJECTION)),
    decided("resume", half_loaded, status=202),
    decided("give-up", half_loaded, body=lambda _: {"reason": "wrong file"}),
)

FEED = f"{INVENTORY}fact-feeds/(?P<pk>[^/.]+)/"
CHANGE_FEED = "inventory.change_factfeed"


def feed(_: Screens) -> FactFeed:
    return FactFeed.objects.get_or_create(name=FactFeedName.POPULARITY)[0]


def of_site(act: str, name: str, another: str) -> Expected:
    """Pausing and resuming take their rights in general or on the site."""
    return Expected(
        "POST",
        f"{INVENTORY}sites/(?P<pk>[^/.]+)/{act}/",
        f"inventory.{act}_site",
        kwargs=lambda _: {"pk": Site.objects.get(name=name).pk},
        body=lambda _: {"reason": "disk server"},
        guarded=lambda _: Site.objects.get(name=name),
        another=lambda _: Site.objects.get(name=another),
        also=("inventory.view_site",),
    )


EXPECTED = (
    *OF_LOCKS,
    *OF_INJECTIONS,
    of_site("pause", "T1_Full", "T2_Roomy"),
    of_site("resume", "T2_Roomy", "T1_Full"),  # the factory has paused it
    Expected(
        "PATCH",
        FEED,
        CHANGE_FEED,
        kwargs=lambda screens: {"pk": feed(screens).pk},
        body=lambda _: {"max_age": "12:00:00"},
        guarded=feed,
        another=lambda _: FactFeed.objects.get_or_create(name=FactFeedName.ENFORCER)[0],
        also=("inventory.view_factfeed",),
    ),
    *rights_below(
        f"{INVENTORY}sites/", "inventory.change_site", of=lambda _: Site.objects.earliest("pk"), also="inventory.view_site"
    ),
    Expected("GET", f"{INVENTORY}statistics/", "inventory.view_dataset"),
    Expected(
        "GET",
        f"{INVENTORY}datasets/<int:pk>/history/",
        STORY_RIGHTS[0],
        kwargs=of_dataset,
        also=tuple(STORY_RIGHTS[1:]),
    ),
    *(
        Expected("GET", rf"{INVENTORY}{kind}s/export\.{form}/", f"inventory.view_{kind.replace('-', '')}")
        for kind in EXPORTED
        for form in ("csv", "parquet")
    ),
    *(
        Expected(
            "GET",
            f"{INVENTORY}datasets/(?P<pk>[^/.]+)/{below}/",
            "inventory.view_dataset",
            kwargs=of_dataset,
            guarded=dataset,
            another=another_dataset,
        )
        for below in ("blocks", "copies")
    ),
)
