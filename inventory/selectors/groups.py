"""Groups of people that own data, by name."""

from __future__ import annotations

from inventory.models import Group


def group_exists(name: str) -> bool:
    """Tell whether there is such a group."""
    return Group.objects.filter(name=name).exists()


def group_key(name: str) -> int | None:
    """Return the primary key of the group, None where there is none."""
    return Group.objects.filter(name=name).values_list("pk", flat=True).first()
