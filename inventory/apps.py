from importlib import import_module

from django.apps import AppConfig


class InventoryConfig(AppConfig):
    name = "inventory"
    verbose_name = "Inventory"

    def ready(self) -> None:
        """Register the lookups ``wildcard`` and ``part``, and connect the receivers."""
        import_module("inventory.querysets.wildcards")
        import_module("inventory.receivers")
