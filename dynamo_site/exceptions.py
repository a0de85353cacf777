"""What the site itself refuses.

::

    SiteError
    +-- TokenRefused     a token that cannot be issued or revoked as asked
"""

from __future__ import annotations


class SiteError(Exception):
    """A refusal with a stable ``code``; the text says what was found, what was expected and what to do."""

    code = "site_error"


class TokenRefused(SiteError):
    """A token that cannot be issued or revoked as asked."""

    code = "invalid_input"
