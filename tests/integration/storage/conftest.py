from __future__ import annotations

import pytest

from tests.factories.storages import RealStorage, Servers

#: Each kind of storage, with the marker of what it needs.
KINDS = [
    pytest.param("local"),
    pytest.param("xrootd", marks=pytest.mark.xrootd),
    pytest.param("webdav", marks=pytest.mark.webdav),
    pytest.param("s3", marks=pytest.mark.s3),
]


@pytest.fixture(params=KINDS)
def storage(request: pytest.FixtureRequest, servers: Servers) -> RealStorage:
    """Return an empty storage of each kind, behind a real server."""
    return servers.storage(request.param)
