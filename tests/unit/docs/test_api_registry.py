"""What every endpoint of the API must declare; a new one that does not fails here and is told what to do (docs/api.md)."""

from __future__ import annotations

import re

import pytest
from django.apps import apps
from django.conf import settings

from dynamo_site.api.guarding import GuardedView, required_scope
from dynamo_site.api.operations import UNDECLARED, declared_schema, request_serializer
from dynamo_site.api.scopes import SCOPES
from tests.integration.api.expected import campaigns, inventory, policies, site
from tests.integration.api.expected import operations as of_operations
from tests.integration.api.routes import Operation, operations

OPERATIONS = list(operations())
EXPECTED = [*site.EXPECTED, *inventory.EXPECTED, *policies.EXPECTED, *campaigns.EXPECTED, *of_operations.EXPECTED]
WRITES = [operation for operation in OPERATIONS if operation.method != "GET"]
EDITS = [operation for operation in WRITES if operation.method != "POST"]


def test_the_walk_finds_the_operations() -> None:
    found = {str(operation) for operation in OPERATIONS}
    assert {"GET /api/v1/", "PUT /api/v1/operations/pause/", "GET /api/v1/inventory/sites/"} <= found
    assert len(OPERATIONS) > 50
    assert len(found) == len(OPERATIONS)


def test_every_operation_says_who_may() -> None:
    declared = [f"{expected.method} {expected.address}" for expected in EXPECTED]
    assert len(declared) == len(set(declared))
    needed = {str(operation) for operation in OPERATIONS if not operation.is_plain}
    missing, stale = sorted(needed - set(declared)), sorted(set(declared) - needed)
    assert missing == [], "add an Expected for each to tests/integration/api/expected/<app>.py: who may, and what happens then"
    assert stale == []


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_every_operation_is_guarded_and_takes_a_scope_that_exists(operation: Operation) -> None:
    view = operation.view
    assert isinstance(view, GuardedView), "include the addresses by guarded() in dynamo_site/api/urls.py"
    assert required_scope(view, operation.method, operation.handler) in SCOPES
    assert view.authentication_classes[0].__module__ == "dynamo_site.api.authentication"
    assert list(view.permission_classes), "an endpoint without permission classes is open to everybody"
    cost = getattr(view, "throttle_scope", None)
    assert cost is None or cost in settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]


@pytest.mark.parametrize("operation", WRITES, ids=str)
def test_every_write_declares_its_body(operation: Operation) -> None:
    schema = declared_schema(operation.view, operation.method, operation.handler)
    if request_serializer(schema) is UNDECLARED:
        declared = schema.get_request_serializer()
        is_document = isinstance(declared, dict) and set(declared) - {"application/json"}
        assert is_document, (
            "say extend_schema(request=...): a serializer, None, or the media types of a document that is streamed"
        )


@pytest.mark.parametrize("operation", EDITS, ids=str)
def test_every_edit_of_an_object_has_a_row_to_lock_while_its_version_is_compared(operation: Operation) -> None:
    view = operation.view
    named = getattr(view, "versioned", None)
    shows = (view.action_map.get("get") == "retrieve") if hasattr(view, "action_map") else hasattr(view, "get")
    if shows and getattr(view, "if_match_required", True):
        assert named or getattr(view, "queryset", None) is not None, "say versioned = 'app.Model'"
    assert named is None or apps.get_model(named)


def test_addresses_end_with_a_slash() -> None:
    assert [o.address for o in OPERATIONS if not re.search(r"/$", o.address)] == []
