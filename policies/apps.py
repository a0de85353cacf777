from django.apps import AppConfig


class PoliciesConfig(AppConfig):
    name = "policies"
    verbose_name = "Policies"

    def ready(self) -> None:
        # Models, which the imports need, exist only now.
        from inventory.ingest.sections import register_section  # noqa: PLC0415 - see above
        from policies import receivers  # noqa: F401, PLC0415 - see above
        from policies.services.injected_quotas import quotas_inject  # noqa: PLC0415 - see above

        register_section("sitepartition", quotas_inject)
