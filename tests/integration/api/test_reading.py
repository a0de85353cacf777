"""The read-only API: who gets in, what a list answers, and that nothing unknown is silently ignored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import get_resolver

from dynamo_site.models import ApiToken
from inventory.models import Dataset, Site
from tests.factories.api import client_of

pytestmark = pytest.mark.django_db
SPACES = ("inventory-api", "policies-api", "operations-api")


def endpoints() -> Iterator[tuple[str, Any]]:
    """Yield (address, view set) of every list of the API, read from the URL configuration itself."""
    prefixes = {"inventory-api": "inventory", "policies-api": "policies", "operations-api": "operations"}
    resolver = get_resolver()
    for space in SPACES:
        _prefix, child = resolver.namespace_dict["api"][1].namespace_dict.get(space) or resolver.namespace_dict[space]
        for pattern in child.url_patterns:
            name = str(pattern.name or "")
            address = str(pattern.pattern)
            if name.endswith("-list") and "format" not in address:
                yield f"/api/v1/{prefixes[space]}/{address.strip('^$')}", pattern.callback.cls


ENDPOINTS = list(endpoints())


@pytest.fixture
def reader() -> User:
    user = User.objects.create_user("reader")
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    return user


def test_the_walk_over_the_urls_finds_the_lists() -> None:
    addresses = {address for address, _ in ENDPOINTS}
    assert {"/api/v1/inventory/sites/", "/api/v1/policies/cycles/", "/api/v1/operations/deletions/"} <= addresses
    assert len(ENDPOINTS) >= 22


@pytest.mark.parametrize("address", [address for address, _ in ENDPOINTS])
def test_a_list_needs_a_token_and_the_view_permission(address: str, reader: User) -> None:
    without_token = Client().get(address)
    assert without_token.status_code == 401
    assert without_token.json()["code"] == "not_authenticated"
    without_permission = client_of(User.objects.create_user("nobody")).get(address)
    assert without_permission.status_code == 403
    assert set(without_permission.json()) == {"code", "message", "details"}
    with_permission = client_of(reader).get(address)
    assert with_permission.status_code == 200
    assert set(with_permission.json()) >= {"next", "previous", "results"}


@pytest.mark.parametrize(("address", "view"), ENDPOINTS)
def test_permission_for_another_model_does_not_open_a_list(address: str, view: Any) -> None:
    model = view.queryset.model._meta.model_name
    app = view.queryset.model._meta.app_label
    user = User.objects.create_user("other")
    user.user_permissions.set(
        Permission.objects.filter(codename__startswith="view_").exclude(content_type__app_label=app, codename=f"view_{model}")
    )
    assert client_of(user).get(address).status_code == 403


@pytest.mark.parametrize("address", [address for address, _ in ENDPOINTS])
def test_an_unknown_parameter_is_refused_and_named(address: str, reader: User) -> None:
    answer = client_of(reader).get(address, {"nmae": "x"})
    assert answer.status_code == 400
    assert "Unknown query parameter" in str(answer.json()["details"]["nmae"])


@pytest.mark.parametrize("address", [address for address, view in ENDPOINTS if not hasattr(view, "create")])
def test_a_list_cannot_be_written_to(address: str, reader: User) -> None:
    reader.is_superuser = True
    reader.save()
    answer = client_of(reader).post(address, {}, content_type="application/json")
    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"


def test_names_are_found_by_wildcard_case_sensitively(reader: User) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for name in ("/A/Run1/RAW", "/A/run1/RAW", "/A/Run1_x/AOD", "/B%/Run1/RAW", "/A[1]/Run1/RAW"):
        Dataset.objects.create(name=name, last_update=now)
    client = client_of(reader)

    def found(pattern: str) -> list[str]:
        results = client.get("/api/v1/inventory/datasets/", {"name": pattern}).json()["results"]
        return sorted(dataset["name"] for dataset in results)

    assert found("/A/Run1*/*") == ["/A/Run1/RAW", "/A/Run1_x/AOD"]
    assert found("/?/Run1/RAW") == ["/A/Run1/RAW"]
    assert found("/B%/*") == ["/B%/Run1/RAW"]
    assert found("/A[1]/*") == ["/A[1]/Run1/RAW"]
    assert found("/A/Run1/RAW") == ["/A/Run1/RAW"]


def test_pages_visit_every_row_once(reader: User) -> None:
    Site.objects.bulk_create([Site(name=f"S{number}") for number in range(25)])
    client = client_of(reader)
    seen: list[str] = []
    address = "/api/v1/inventory/sites/?page_size=10"
    pages = 0
    while address:
        body = client.get(address).json()
        seen += [site["name"] for site in body["results"]]
        address = body["next"]
        pages += 1
    assert pages == 3
    assert sorted(seen) == sorted(f"S{number}" for number in range(25))


def test_a_missing_object_answers_in_the_one_error_shape(reader: User) -> None:
    answer = client_of(reader).get("/api/v1/inventory/sites/4711/")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_an_address_that_leads_nowhere_answers_in_the_one_error_shape(client: Client) -> None:
    for address in ("/api/nope/", "/api/v1/inventory/nope/", "/api/v2/"):
        answer = client.get(address)
        assert answer.status_code == 404
        assert answer.json() == {"code": "not_found", "message": f"There is nothing at {address}: see /api/docs/.", "details": {}}


def test_an_expired_token_is_refused(reader: User) -> None:
    client = client_of(reader)
    ApiToken.objects.update(expiry=datetime(2020, 1, 1, tzinfo=UTC))
    answer = client.get("/api/v1/inventory/sites/")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")
    assert ApiToken.objects.count() == 1


def test_the_api_document_describes_every_list(reader: User) -> None:
    document = client_of(reader).get("/api/schema/", {"format": "json"}).json()
    assert document["openapi"].startswith("3.")
    for address, _ in ENDPOINTS:
        responses = document["paths"][address]["get"]["responses"]
        assert {"200", "400", "401", "403"} <= set(responses), address


def test_the_browsable_page_loads_nothing_from_elsewhere() -> None:
    page = Client().get("/api/docs/").content.decode()
    assert "swagger-ui" in page
    assert "https://" not in page
