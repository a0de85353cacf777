"""Admin of the inventory: thin classes, lists that stay fast, no deletion by hand."""

from inventory.admin import audit, datasets, facts, locks, replicas, sites

__all__ = ["audit", "datasets", "facts", "locks", "replicas", "sites"]
