"""The limits of sites, and whether they let anything begin now; tape sites have limits of their own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from django.conf import settings

from inventory.choices import StorageType
from inventory.selectors.sites import SiteStorage, site_storage
from operations.models import SiteLimits, SitePace

#: A batch holds no more files than go in so long at the site's rate, so that the rate is no average over hours.
_BATCH_TIME = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Pace:
    """The limits of one site: its own where it has any, else those of its kind of storage; 0 is without a limit."""

    batches: int
    files_per_second: float
    bytes_per_day: int

    @property
    def most_files(self) -> int | None:
        """Return how many files a batch may have, None for as many as batches have."""
        return max(1, int(self.files_per_second * _BATCH_TIME.total_seconds())) if self.files_per_second else None


def pace_of(site: SiteStorage, *, batches_per_site: int) -> Pace:
    """Return the limits that hold at *site*; *batches_per_site*: of a disk site without its own."""
    return paces([site], batches_per_site=batches_per_site)[site.name]


def paces(sites: Sequence[SiteStorage], *, batches_per_site: int) -> Mapping[str, Pace]:
    """Return the limits that hold at each of *sites*, by name."""
    own = SiteLimits.objects.in_bulk([site.key for site in sites])
    return {site.name: _pace(site, own.get(site.key), batches_per_site) for site in sites}


def _pace(site: SiteStorage, own: SiteLimits | None, batches_per_site: int) -> Pace:
    general = general_pace(is_tape=site.storage_type == StorageType.MSS, batches_per_site=batches_per_site)
    if own is None:
        return general
    return Pace(
        batches=general.batches if own.batches is None else own.batches,
        files_per_second=general.files_per_second if own.files_per_second is None else own.files_per_second,
        bytes_per_day=general.bytes_per_day if own.bytes_per_day is None else own.bytes_per_day,
    )


def general_pace(*, is_tape: bool, batches_per_site: int) -> Pace:
    """Return the limits of sites that have none of their own."""
    if is_tape:
        return Pace(
            batches=settings.DYNAMO_DELETION_BATCHES_PER_TAPE_SITE,
            files_per_second=settings.DYNAMO_DELETION_TAPE_FILES_PER_SECOND,
            bytes_per_day=settings.DYNAMO_DELETION_TAPE_BYTES_PER_DAY,
        )
    return Pace(batches_per_site, settings.DYNAMO_DELETION_FILES_PER_SECOND, settings.DYNAMO_DELETION_BYTES_PER_DAY)


def own_trash_days(site_names: Collection[str]) -> dict[str, float]:
    """Return how many days the trash of those sites is kept that have a time of their own, 0 where nothing is put aside."""
    rows = SiteLimits.objects.filter(site__name__in=list(site_names), trash_days__isnull=False)
    return {name: days for name, days in rows.values_list("site__name", "trash_days") if days is not None}


@dataclass(frozen=True, slots=True)
class LimitsOfSite:
    """The own limits of a site (None: as the settings say), and what holds there; 0 is without a limit, and of days: no trash."""

    key: int
    site: str
    batches: int | None
    files_per_second: float | None
    bytes_per_day: int | None
    trash_days: float | None
    in_force: Pace
    trash_days_in_force: float


def limits_of_sites(names: Collection[str] | None = None) -> list[LimitsOfSite]:
    """Return the limits of the named sites, or of all, by name. Two queries."""
    sites = site_storage(names)
    own = SiteLimits.objects.in_bulk([site.key for site in sites.values()])
    return [_limits(site, own.get(site.key) or SiteLimits()) for site in sites.values()]


def _limits(site: SiteStorage, own: SiteLimits) -> LimitsOfSite:
    is_tape = site.storage_type == StorageType.MSS
    usual = settings.DYNAMO_TRASH_DAYS
    if is_tape and usual:
        usual = max(usual, settings.DYNAMO_TRASH_TAPE_DAYS)
    return LimitsOfSite(
        key=site.key,
        site=site.name,
        batches=own.batches,
        files_per_second=own.files_per_second,
        bytes_per_day=own.bytes_per_day,
        trash_days=own.trash_days,
        in_force=_pace(site, own, settings.DYNAMO_DELETION_BATCHES_PER_SITE),
        trash_days_in_force=usual if own.trash_days is None else own.trash_days,
    )


def why_paced(pace: Pace, known: SitePace | None, *, now: datetime) -> str:
    """Return why nothing is begun at a site now, empty where its limits allow something."""
    if known is None:
        return ""
    if pace.files_per_second and known.next_claim_at is not None and known.next_claim_at > now:
        return f"waits until {known.next_claim_at:%H:%M:%S}: at most {pace.files_per_second:g} files a second"
    today = now.astimezone(UTC).date()
    if pace.bytes_per_day and known.day == today and known.bytes_of_day >= pace.bytes_per_day:
        midnight = datetime.combine(today + timedelta(days=1), time(), tzinfo=UTC)
        return f"waits until {midnight:%Y-%m-%d %H:%M} UTC: the {pace.bytes_per_day:,} bytes of this day are used up"
    return ""
