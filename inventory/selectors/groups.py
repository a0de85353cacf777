"""Groups of people that own data, by name."""

from __future__ import annotations

from inventory.models import Group


def group_exists(name: str) -> bool:
    """Tell whether there is such a group."""
    return Group.objects.filter(name=name).exists()
