"""The one door to real storage. Only ``operations.services`` comes through it, and fsspec is imported nowhere else."""

from operations.storage.gateways import gateway_for
from operations.storage.results import FileResult, Gateway, RefusingGateway

__all__ = ["FileResult", "Gateway", "RefusingGateway", "gateway_for"]
