"""What the inventory refuses, with a code that interfaces show.

::

    InventoryError
    +-- NotFound              the named site, group or lock does not exist
    +-- InvalidInput          a value that cannot be taken: an empty pattern, an expiry in the past
    +-- InvalidTransition     the state does not allow the act: pausing what is paused, releasing what is released
    +-- TooSlow               a list that the database does not find in time
    +-- IngestError           a document that cannot be read on: unreadable file, cut-off text, broken compression
        +-- DocumentTooLarge          a body beyond what may be sent
        +-- InjectionCancelledError   somebody has cancelled the injection
"""

from __future__ import annotations


class InventoryError(Exception):
    """A refusal with a stable ``code``; the text says what was found, what was expected and what to do."""

    code = "inventory_error"


class NotFound(InventoryError):
    """The named thing does not exist."""

    code = "not_found"


class InvalidInput(InventoryError):
    """A value that cannot be taken."""

    code = "invalid_input"


class InvalidTransition(InventoryError):
    """The state does not allow the act."""

    code = "invalid_transition"


class TooSlow(InventoryError):
    """A question that keeps the database busy for too long; a narrower one is answered."""

    code = "too_slow"


class IngestError(InventoryError):
    """A document that cannot be read to its end; nothing of it is kept."""

    code = "unreadable_document"


class DocumentTooLarge(IngestError):
    """A body beyond what may be sent."""

    code = "body_too_large"


class InjectionCancelledError(IngestError):
    """Somebody has cancelled the injection; nothing of it is kept."""

    code = "injection_cancelled"
