"""The demo's campaign: studied and proposed by the operator, it waits for two coordinators to sign."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from campaigns.services.campaigns import Edits, campaign_create
from campaigns.services.pointing import Pointing, pointed_text
from campaigns.services.proposals import campaign_propose
from campaigns.services.studies import campaign_study, study_carry_out
from dynamo_site.demo.sample import ERAS, PARTITION, TIER2, TIER3
from inventory.selectors.wording import plural, size_text
from inventory.services.audit import Actor

TITLE = f"Spring cleaning at {TIER3}"
#: A real campaign gives two weeks; nobody watches a demo for so long.
CLOSES_AFTER, STARTS_AFTER, EXPIRES_AFTER = timedelta(minutes=15), timedelta(minutes=16), timedelta(days=30)


def campaign_prepare(operator: Actor) -> str:
    """Propose the campaign, and return a line about it. Raises what the services raise, such as for a second one of its title."""
    now = timezone.now()
    campaign = campaign_create(
        title=TITLE,
        purpose=f"The copies of {ERAS[0][0]} at {TIER3} are hardly read any more; each has another copy at the Tier-2.",
        partition_name=PARTITION,
        text=pointed_text(Pointing(era=(ERAS[0][0],), site=(TIER3,)), partition_name=PARTITION, site_patterns=f"{TIER2} {TIER3}"),
        actor=operator,
        now=now,
        times=Edits(
            # The copies at the Tier-2 count for the guardrail on last copies.
            site_patterns=f"{TIER2} {TIER3}",
            exceptions_close_at=now + CLOSES_AFTER,
            earliest_start_at=now + STARTS_AFTER,
            expires_at=now + EXPIRES_AFTER,
            notice_reason="it is the campaign of a demo",
            starts_by_itself=True,
        ),
    )
    study = campaign_study(campaign_id=campaign.pk, actor=operator, now=now)
    revision = study_carry_out(study_id=study.pk, actor=operator, now=now).revision
    campaign_propose(campaign_id=campaign.pk, actor=operator, now=now)
    what = "nothing" if revision is None else f"{plural(revision.num_items, 'block replica')}, {size_text(revision.size_bytes)}"
    return f"Campaign '{TITLE}' is proposed: {what}. It waits for physics and computing to sign, and then starts by itself"
