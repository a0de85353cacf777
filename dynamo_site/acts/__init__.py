"""Acts that people start from a screen: each one asks once, takes a reason, needs its own right and calls one service.

The one place where screens change anything, so that no page has a button that another way could not refuse.
"""

from __future__ import annotations

from django.urls import reverse

from dynamo_site.acts import deciding, deleting, injecting, keeping, scanning
from dynamo_site.acts.act import Act, Caution, Key

ACTS: dict[str, Act] = {**deleting.ACTS, **deciding.ACTS, **keeping.ACTS, **injecting.ACTS, **scanning.ACTS}

__all__ = ["ACTS", "Act", "Caution", "Key", "act_url"]


def act_url(name: str, key: Key = "") -> str:
    """Return the address of the page where the act is confirmed."""
    return reverse("dynamo_act", args=[name, key]) if key != "" else reverse("dynamo_act_all", args=[name])
