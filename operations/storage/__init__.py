"""The one door to real storage. Only ``operations.services`` comes through it, and fsspec is imported nowhere else."""

from operations.storage.backwards import Backwards, backwards
from operations.storage.credentials import Access
from operations.storage.gateways import gateway_for
from operations.storage.listing import Entry, ListingError, Sight, SightKind
from operations.storage.paths import path_problem, place_each
from operations.storage.results import FileResult, Gateway, RefusingGateway, RestoreResult, ShouldStop, TrashedFile
from operations.storage.trash_names import trash_name

__all__ = [
    "Access",
    "Backwards",
    "Entry",
    "FileResult",
    "Gateway",
    "ListingError",
    "RefusingGateway",
    "RestoreResult",
    "ShouldStop",
    "Sight",
    "SightKind",
    "TrashedFile",
    "backwards",
    "gateway_for",
    "path_problem",
    "place_each",
    "trash_name",
]
