from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "operations"
    verbose_name = "Deletions"

    def ready(self) -> None:
        """Connect the receivers."""
        from operations import receivers  # noqa: F401, PLC0415 - models exist only now
