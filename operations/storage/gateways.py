"""Which gateway leads to the storage of a site: chosen by the scheme of its endpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from inventory.selectors.sites import LfnRule
from operations.storage.local import LocalFolderGateway
from operations.storage.paths import BadRules, checked_rules
from operations.storage.results import Gateway, RefusingGateway

#: Makes the gateway of a site from its name, its endpoint and its LFN rules. Raises ``BadEndpoint``.
GatewayMaker = Callable[[str, str, tuple[LfnRule, ...]], Gateway]


class BadEndpoint(ValueError):
    """A site's endpoint cannot be used; the message says why."""


def gateway_for(*, site_name: str, endpoint_url: str, lfn_rules: Sequence[LfnRule]) -> Gateway:
    """Return the way to a site's storage; when there is none, a gateway that refuses every file and says why."""
    if not endpoint_url:
        return RefusingGateway(f"site {site_name} has no endpoint: nothing is ever deleted there")
    try:
        scheme = urlsplit(endpoint_url).scheme
    except ValueError as error:
        return RefusingGateway(f"endpoint {endpoint_url} of site {site_name} is no URL: {error}")
    maker = GATEWAY_MAKERS.get(scheme)
    if maker is None:
        known = ", ".join(sorted(GATEWAY_MAKERS))
        return RefusingGateway(f"no storage back end for scheme {scheme!r} of site {site_name}; known: {known}")
    try:
        return maker(site_name, endpoint_url, checked_rules(lfn_rules))
    except (BadEndpoint, BadRules) as error:
        return RefusingGateway(f"site {site_name}: {error}")


def _local_folder(site_name: str, endpoint_url: str, rules: tuple[LfnRule, ...]) -> Gateway:
    parts = urlsplit(endpoint_url)
    path = unquote(parts.path)
    if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
        raise BadEndpoint(f"endpoint {endpoint_url} is no local folder; expected file:///folder")
    if not path.startswith("/") or "\0" in path or ".." in path.split("/") or not path.strip("/."):
        raise BadEndpoint(f"endpoint {endpoint_url} must name a folder below / by its absolute path, without ..")
    return LocalFolderGateway(site_name, Path(path), rules)


GATEWAY_MAKERS: dict[str, GatewayMaker] = {"file": _local_folder}
