"""Which gateway leads to the storage of a site: chosen by the scheme of its endpoint."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote

from inventory.selectors.sites import LfnRule
from operations.choices import FileOutcome
from operations.storage.credentials import Access
from operations.storage.endpoints import BadEndpoint, split_endpoint
from operations.storage.local import LocalFolderGateway
from operations.storage.paths import BadRules, checked_rules
from operations.storage.results import Gateway, RefusingGateway

logger = logging.getLogger(__name__)

#: Makes the gateway of a site from its name, its endpoint, its LFN rules and what this host brings along. Raises ``BadEndpoint``.
GatewayMaker = Callable[[str, str, tuple[LfnRule, ...], Access], Gateway]


def gateway_for(*, site_name: str, endpoint_url: str, lfn_rules: Sequence[LfnRule], access: Access | None = None) -> Gateway:
    """Return the way to a site's storage; when there is none, a gateway that refuses every file and says why.

    *access*: credentials and time limits of this host. Where the library of a back end is not installed, every file is to
    be tried again: another worker may have it.
    """
    if not endpoint_url:
        return RefusingGateway(f"site {site_name} has no endpoint: nothing is ever deleted there")
    try:
        scheme = split_endpoint(endpoint_url).scheme
        maker = GATEWAY_MAKERS.get(scheme)
        if maker is None:
            known = ", ".join(sorted(GATEWAY_MAKERS))
            return RefusingGateway(f"no storage back end for scheme {scheme!r} of site {site_name}; known: {known}")
        return maker(site_name, endpoint_url, checked_rules(lfn_rules), access or Access())
    except (BadEndpoint, BadRules) as error:
        return RefusingGateway(f"site {site_name}: {error}")
    except ImportError as error:
        logger.exception("no back end for %s", site_name, extra={"site": site_name})
        return RefusingGateway(
            f"the back end for {scheme}:// of site {site_name} is not installed on this host ({error.name}): "
            "install requirements-storage.txt",
            outcome=FileOutcome.RETRYABLE,
        )
    except (OSError, ValueError) as error:
        # A certificate or secret that cannot be read is a fault of this host; the work of other sites must go on.
        logger.exception("no way to the storage of %s", site_name, extra={"site": site_name})
        return RefusingGateway(
            f"the credentials of site {site_name} cannot be used on this host: {type(error).__name__}: {error}"[:500],
            outcome=FileOutcome.RETRYABLE,
        )


def _local_folder(site_name: str, endpoint_url: str, rules: tuple[LfnRule, ...], access: Access) -> Gateway:
    parts = split_endpoint(endpoint_url)
    path = unquote(parts.path)
    if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
        raise BadEndpoint(f"endpoint {endpoint_url} is no local folder; expected file:///folder")
    if not path.startswith("/") or "\0" in path or ".." in path.split("/") or not path.strip("/."):
        raise BadEndpoint(f"endpoint {endpoint_url} must name a folder below / by its absolute path, without ..")
    return LocalFolderGateway(site_name, Path(path), rules)


def _remote(module: str) -> GatewayMaker:
    """Return a maker whose library is imported when it is first needed: it is optional."""

    def make(site_name: str, endpoint_url: str, rules: tuple[LfnRule, ...], access: Access) -> Gateway:
        back_end = import_module(f"operations.storage.{module}")
        gateway: Gateway = getattr(back_end, f"{module}_gateway")(site_name, endpoint_url, rules, access)
        return gateway

    return make


GATEWAY_MAKERS: dict[str, GatewayMaker] = {
    "file": _local_folder,
    "root": _remote("xrootd"),
    "davs": _remote("webdav"),
    "dav": _remote("webdav"),
    "https": _remote("webdav"),
    "http": _remote("webdav"),
    "s3": _remote("s3"),
}
