from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "operations"
    verbose_name = "Deletions"

    def ready(self) -> None:
        """Connect the receivers; tell locks what is being deleted, injections what was, campaigns what became of lists."""
        from campaigns.services.outcomes import register_outcomes  # noqa: PLC0415 - models exist only now
        from inventory.services.injections import register_record  # noqa: PLC0415
        from inventory.services.under_way import register_look  # noqa: PLC0415
        from operations import receivers  # noqa: F401, PLC0415
        from operations.selectors.campaign_outcomes import campaign_outcomes  # noqa: PLC0415
        from operations.services.gone import deleted_after  # noqa: PLC0415
        from operations.services.under_way import look_under_way  # noqa: PLC0415

        register_look(look_under_way)
        register_record(deleted_after)
        register_outcomes(campaign_outcomes)
