"""What a site's endpoint must be like, whoever writes it, and how one is shown."""

from __future__ import annotations

import re

#: What stands before the last @ of the host: a user, or a user and a password.
_USER_INFO = re.compile(r"^([a-z][a-z0-9+.-]*:)?//[^/?#]*@", re.IGNORECASE)
#: Parameters by which some clients take secrets.
_SECRET_PARAMETER = re.compile(
    r"(?<=[?&;])([^=&;#]*(?:authz|token|passw|secret|credential|signature|(?:access|api)[-_]?key)[^=&;#]*)=[^&;#]*", re.IGNORECASE
)


def endpoint_problem(endpoint_url: str) -> str:
    """Return why an endpoint must not be stored, empty if it may: secrets are never in the database."""
    if _USER_INFO.match(endpoint_url) or _SECRET_PARAMETER.search(endpoint_url):
        return (
            "an endpoint must not contain a user, password, token or key: "
            "credentials come from the environment of the workers or a folder of secrets (docs/storages.md)"
        )
    return ""


def redacted(endpoint_url: str) -> str:
    """Return an endpoint as it may be shown and logged.

    >>> redacted("davs://me:secret@dav.example.org/store?authz=abc")
    'davs://***@dav.example.org/store?authz=***'
    """
    shown = _USER_INFO.sub(lambda match: f"{match.group(1) or ''}//***@", endpoint_url)
    return _SECRET_PARAMETER.sub(r"\1=***", shown)
