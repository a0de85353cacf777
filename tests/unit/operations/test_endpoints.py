"""Endpoints: taken apart, refused when they hold secrets or lead elsewhere, shown without secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from inventory.endpoints import endpoint_problem, redacted
from operations.choices import FileOutcome
from operations.storage import Access, RefusingGateway, gateway_for
from operations.storage.credentials import credentials_of
from operations.storage.endpoints import BadEndpoint, S3Root, http_base, s3_root, xrootd_root
from operations.storage.roots import overlapping_site, shared_root


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("davs://me:hunter2@dav.example.org/store", "davs://***@dav.example.org/store"),
        ("root://me@x.example.org//store", "root://***@x.example.org//store"),
        ("//me:hunter2@dav.example.org/store", "//***@dav.example.org/store"),
        ("https://dav.example.org/store?authz=hunter2", "https://dav.example.org/store?authz=***"),
        ("s3://bucket/a?access_key=hunter2&endpoint=https://b", "s3://bucket/a?access_key=***&endpoint=https://b"),
        ("HTTPS://me:hunt@er2@dav.example.org/", "HTTPS://***@dav.example.org/"),
    ],
)
def test_secrets_in_endpoints_are_refused_and_never_shown(endpoint: str, shown: str):
    assert redacted(endpoint) == shown
    assert "must not contain a user, password, token or key" in endpoint_problem(endpoint)
    (result,) = gateway_for(site_name="T2_A", endpoint_url=endpoint, lfn_rules=()).delete(["/a"], should_stop=lambda: False)
    assert result.outcome == FileOutcome.REFUSED
    assert "hunter2" not in result.message
    assert "er2" not in result.message


@pytest.mark.parametrize(
    "endpoint",
    [
        "file:///a/b",
        "root://x.example.org:1094//store/@home",
        "davs://d.example.org/a@b",
        "s3://bucket/p?endpoint=https://h:9000",
    ],
)
def test_endpoints_without_secrets_are_fine_and_shown_as_they_are(endpoint: str):
    assert endpoint_problem(endpoint) == ""
    assert redacted(endpoint) == endpoint


def test_endpoints_are_taken_apart():
    assert xrootd_root("root://x.example.org:1094//store/cms/").path == "/store/cms"
    assert http_base("davs://d.example.org:443/a%20b/") == "https://d.example.org:443/a%20b"
    assert http_base("http://d.example.org") == "http://d.example.org"
    assert s3_root("s3://data/cms/?endpoint=https://h:9000") == S3Root("data", "cms", "https://h:9000")
    assert s3_root("s3://data") == S3Root("data", "", "")


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("root:///store", "expected root://host"),
        ("davs:///store", "expected davs://host"),
        ("davs://d.example.org/a/../b", "has . or .."),
        ("davs://d.example.org/a/%2e%2e/b", "has . or .."),
        ("root://d.example.org/a?b=c", "has a query or a fragment"),
        ("davs://d.example.org:port/a", "is no URL"),
        ("s3://UPPER/a", "expected s3://bucket/prefix"),
        ("s3://data/a?versioning=on", "expected s3://bucket/prefix"),
        ("s3://data/a?endpoint=ftp://h", "the server must be https://host"),
        ("s3://data/a//b", "has // or ? in its prefix"),
    ],
)
def test_endpoints_that_cannot_be_used_refuse_every_file_and_say_why(endpoint: str, reason: str):
    gateway = gateway_for(site_name="T2_A", endpoint_url=endpoint, lfn_rules=())
    assert isinstance(gateway, RefusingGateway)
    (result,) = gateway.delete(["/a"], should_stop=lambda: False)
    assert (result.outcome, result.is_untouched) == (FileOutcome.REFUSED, True)
    assert reason in result.message


@pytest.mark.parametrize(
    ("one", "other", "is_overlap"),
    [
        ("davs://d.example.org/store", "https://d.example.org/store/sub", True),
        ("davs://d.example.org/store", "https://d.example.org/store2", False),
        ("root://x.example.org//store", "root://X.example.org/store/", True),
        ("root://x.example.org//store", "root://y.example.org//store", False),
        ("s3://data/a", "s3://data/a/b", True),
        ("s3://data/a", "s3://data/b", False),
        ("s3://data", "s3://data/b", True),
        ("s3://data/a", "s3://data/a?endpoint=https://h", False),
        # Ports that go without saying, and names as a resolver takes them.
        ("root://x.example.org:1094//store", "root://x.example.org//store", True),
        ("davs://d.example.org:443/store", "https://d.example.org./store/sub", True),
        ("dav://d.example.org:80/store", "http://d.example.org/store", True),
        ("davs://d.example.org:8443/store", "davs://d.example.org/store", False),
        ("s3://data/a?endpoint=https://H:443", "s3://data/a?endpoint=https://h", True),
    ],
)
def test_storages_of_two_sites_that_hold_each_other_are_noticed(one: str, other: str, is_overlap: bool):
    assert overlapping_site("T2_A", one, {"T2_A": one, "T2_B": other}) == ("T2_B" if is_overlap else "")
    assert overlapping_site("T2_B", other, {"T2_A": one, "T2_B": other}) == ("T2_A" if is_overlap else "")


@pytest.mark.parametrize(
    ("one", "other", "path", "there"),
    [
        ("root://x.example.org//store", "davs://x.example.org:2880/store", "a/b", "a/b"),
        ("root://x.example.org//store/a", "davs://x.example.org/store", "b", "a/b"),
        ("root://x.example.org//store", "davs://x.example.org/store/a", "a/b", "b"),
        ("root://x.example.org//store", "davs://x.example.org/store/a", "ab/c", None),
        # What a door shows as its root nobody can tell: not nested by their text, they may be the same.
        ("root://x.example.org//store", "davs://x.example.org/pnfs", "a/b", "a/b"),
        ("s3://data/a?endpoint=https://h", "s3://data", "b", "a/b"),
        ("file:///data/store", "file:///data", "a", "store/a"),
    ],
)
def test_path_is_found_below_the_root_of_a_site_whose_storage_may_be_the_same(one: str, other: str, path: str, there: str | None):
    shared = shared_root(one, other)
    assert shared is not None
    assert shared.path_there(path) == there


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("root://x.example.org//a", "root://y.example.org//a"),
        ("root://x.example.org//a", "root://x.example.org//b"),
        ("file:///data/a", "file:///data/b"),
        ("file:///data/a", "root://x.example.org//data/a"),
        ("s3://data/a", "s3://other/a"),
        ("s3://data/a", ""),
    ],
)
def test_storages_that_cannot_be_the_same_share_no_root(one: str, other: str):
    assert shared_root(one, other) is None


def test_credentials_are_read_per_site_and_only_where_nobody_else_may(tmp_path: Path):
    folder = tmp_path / "T2_A"
    folder.mkdir()
    (folder / "token").write_text("hunter2\n")
    (folder / "token").chmod(0o640)
    credentials = credentials_of("T2_A", tmp_path)
    assert (credentials.get("token"), credentials.get("user")) == ("hunter2", "")
    assert credentials.path("token") == str(folder / "token")
    assert "hunter2" not in repr(credentials)
    assert credentials_of("T2_B", tmp_path).values == {}
    (folder / "token").chmod(0o644)
    with pytest.raises(BadEndpoint, match="may be read or written by everybody: chmod o-rw it"):
        credentials_of("T2_A", tmp_path)
    with pytest.raises(BadEndpoint, match="its name is not that of a folder"):
        credentials_of("../T2_A", tmp_path)


@pytest.mark.webdav
def test_credentials_never_go_without_tls(tmp_path: Path):
    (tmp_path / "T2_A").mkdir()
    (tmp_path / "T2_A" / "token").write_text("hunter2")
    (tmp_path / "T2_A" / "token").chmod(0o600)
    gateway = gateway_for(
        site_name="T2_A", endpoint_url="http://d.example.org/store", lfn_rules=(), access=Access(secrets=tmp_path)
    )
    (result,) = gateway.delete(["/a"], should_stop=lambda: False)
    assert "credentials are never sent without TLS" in result.message


def test_back_end_whose_library_is_missing_is_tried_again_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    import sys  # noqa: PLC0415

    for name in [name for name in sys.modules if name == "XRootD" or name.startswith(("XRootD.", "operations.storage.xrootd"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "XRootD", None)
    gateway = gateway_for(site_name="T2_A", endpoint_url="root://x.example.org//store", lfn_rules=())
    (result,) = gateway.delete(["/a"], should_stop=lambda: False)
    assert (result.outcome, result.is_untouched) == (FileOutcome.RETRYABLE, True)
    assert "install requirements-storage.txt" in result.message
