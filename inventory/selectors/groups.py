"""Groups of people that own data, by name."""

from __future__ import annotations

from inventory.models import Group


def group_exists(name: str) -> bool:
    """Tell whether there is such a group."""
    return Group.objects.filter(name=name).exists()


def group_names() -> list[str]:
    """Return the names of all groups, in order."""
    return list(Group.objects.order_by("name").values_list("name", flat=True))


def group_key(name: str) -> int | None:
    """Return the primary key of the group, None where there is none."""
    return Group.objects.filter(name=name).values_list("pk", flat=True).first()
