"""Schemathesis against the OpenAPI document on a running server: no 5xx, no undocumented answer, no answer of another shape.

``DYNAMO_FUZZ_EXAMPLES`` says how many requests are made up per operation; ``make fuzz-api`` makes many.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky, Unsatisfiable
from pytest_django.live_server_helper import LiveServer
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from policies.tasks import carry_out_comparison, carry_out_cycle
from tests.factories.api import token_of
from tests.factories.screens import make_screens

#: 5xx that are answers: a database or broker that is away.
DOCUMENTED_FAILURES = {503}
#: A busy machine answers late, and that is no fault of the API's.
PATIENCE_SECONDS = 300
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    allow_header_conformance,
]

# Lines of JSON are bytes to the document: what is in them is the document's business, not the media type's.
schemathesis.serializer.alias("application/x-ndjson", "application/octet-stream")


@pytest.fixture
def api(
    live_server: LiveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> tuple[str, str]:
    """Return the server's address and a token of an account with all rights, over data that may be broken."""
    changed = request.getfixturevalue("settings")
    changed.MEDIA_ROOT, changed.DYNAMO_MAX_SITE_FRACTION = tmp_path, 0.01
    monkeypatch.setattr(carry_out_cycle, "delay", lambda *arguments: None)
    monkeypatch.setattr(carry_out_comparison, "delay", lambda *arguments: None)
    make_screens(num_datasets=3)
    return live_server.url, token_of(User.objects.create_superuser("root"))


@pytest.mark.django_db(transaction=True)
def test_every_operation_answers_as_the_document_says(api: tuple[str, str]) -> None:
    address, token = api
    headers = {"Authorization": f"Token {token}"}
    schema = schemathesis.openapi.from_url(f"{address}/api/schema/?format=json", headers=headers, timeout=PATIENCE_SECONDS)
    problems: dict[str, str] = {}
    count = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        count += 1
        for mode in GenerationMode:
            try:
                attempts(operation, mode, headers, keys_of(operation, address, headers))()
            except (Unsatisfiable, pytest.skip.Exception):
                continue  # nothing of this operation can be made wrong
            except (FailureGroup, Failure, Flaky) as failure:
                problems[f"{operation.label} ({mode.value})"] = str(failure)
    assert count > 50
    assert not problems, "\n\n".join(f"=== {label}\n{text}" for label, text in problems.items())


def keys_of(operation: Any, address: str, headers: dict[str, str]) -> list[Any]:
    """Return the keys that the list above the operation's address has, so that some requests meet an object."""
    above, brace, _rest = operation.path.partition("{")
    if not brace:
        return []
    listed = requests.get(address + above, headers=headers, timeout=PATIENCE_SECONDS)
    rows = listed.json().get("results", []) if listed.ok else []
    return [row.get("id", row.get("uid")) for row in rows[:3]]


def attempts(operation: Any, mode: GenerationMode, headers: dict[str, str], keys: list[Any]) -> Any:
    """Return a function that makes up requests for *operation*, valid or invalid ones, and checks each answer."""

    @settings(
        max_examples=django_settings.FUZZ_EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode), key=st.sampled_from(keys or [None]), is_met=st.booleans())
    def attempt(case: schemathesis.Case, key: Any, is_met: bool) -> None:
        if key is not None and is_met:
            case.path_parameters = dict.fromkeys(case.path_parameters, key)
            case.headers["If-Match"] = "*"
        answer = case.call(headers=headers, timeout=PATIENCE_SECONDS)
        checks = CHECKS if answer.status_code in DOCUMENTED_FAILURES else [not_a_server_error, *CHECKS]
        case.validate_response(answer, checks=checks)

    return attempt
