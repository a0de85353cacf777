"""Which gateway leads to the storage of a site: chosen by the scheme of its endpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from operations.storage.local import LocalFolderGateway
from operations.storage.paths import BadRules, PathRule, rules_from_json
from operations.storage.results import Gateway, RefusingGateway

#: Makes the gateway of a site from its name, its endpoint and its LFN rules. Raises ``BadEndpoint``.
GatewayMaker = Callable[[str, str, tuple[PathRule, ...]], Gateway]


class BadEndpoint(ValueError):
    """A site's endpoint cannot be used; the message says why."""


def gateway_for(*, site_name: str, endpoint_url: str, lfn_rules: object) -> Gateway:
    """Return the way to a site's storage; when there is none, a gateway that refuses every file and says why."""
    if not endpoint_url:
        return RefusingGateway(f"site {site_name} has no endpoint: nothing is ever deleted there")
    scheme = urlsplit(endpoint_url).scheme
    maker = GATEWAY_MAKERS.get(scheme)
    if maker is None:
        return RefusingGateway(
            f"no storage back end for scheme {scheme!r} of site {site_name}; known: {', '.join(sorted(GATEWAY_MAKERS))}"
        )
    try:
        return maker(site_name, endpoint_url, rules_from_json(lfn_rules))
    except (BadEndpoint, BadRules) as error:
        return RefusingGateway(f"site {site_name}: {error}")


def _local_folder(site_name: str, endpoint_url: str, rules: tuple[PathRule, ...]) -> Gateway:
    parts = urlsplit(endpoint_url)
    path = unquote(parts.path)
    if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
        raise BadEndpoint(f"endpoint {endpoint_url} is no local folder; expected file:///folder")
    if not path.startswith("/") or "\0" in path or ".." in path.split("/") or not path.strip("/."):
        raise BadEndpoint(f"endpoint {endpoint_url} must name a folder below / by its absolute path, without ..")
    return LocalFolderGateway(site_name, Path(path), rules)


GATEWAY_MAKERS: dict[str, GatewayMaker] = {"file": _local_folder}
