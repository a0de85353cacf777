"""The one door to real storage. Only ``operations.services`` comes through it, and fsspec is imported nowhere else."""

from operations.storage.credentials import Access
from operations.storage.gateways import gateway_for
from operations.storage.results import FileResult, Gateway, RefusingGateway, RestoreResult, ShouldStop, TrashedFile
from operations.storage.trash_names import trash_name

__all__ = [
    "Access",
    "FileResult",
    "Gateway",
    "RefusingGateway",
    "RestoreResult",
    "ShouldStop",
    "TrashedFile",
    "gateway_for",
    "trash_name",
]
