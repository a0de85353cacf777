"""Who may do what with the inventory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inventory.models import Dataset
from tests.factories.screens import Screens
from tests.integration.api.expected import Expected

INVENTORY = "/api/v1/inventory/"
EXPORTED = ("site", "dataset", "block", "file", "dataset-replica", "block-replica")


def dataset(_: Screens) -> Dataset:
    return Dataset.objects.earliest("pk")


def another_dataset(_: Screens) -> Dataset:
    return Dataset.objects.latest("pk")


def of_dataset(screens: Screens) -> Mapping[str, Any]:
    return {"pk": dataset(screens).pk}


EXPECTED = (
    *(
        Expected("GET", rf"{INVENTORY}{kind}s/export\.{form}/", f"inventory.view_{kind.replace('-', '')}")
        for kind in EXPORTED
        for form in ("csv", "parquet")
    ),
    *(
        Expected(
            "GET",
            f"{INVENTORY}datasets/(?P<pk>[^/.]+)/{below}/",
            "inventory.view_dataset",
            kwargs=of_dataset,
            guarded=dataset,
            another=another_dataset,
        )
        for below in ("blocks", "copies")
    ),
)
