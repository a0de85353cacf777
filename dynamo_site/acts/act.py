"""What one act is: its words, the right that it takes, and the one service that it calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Model

from inventory.permissions import may
from inventory.services.audit import Actor

Key = str | int


class Caution(str):
    """What to say after an act that did not bring about all that was wanted: a page shows it as a warning."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Act:
    """One act: ``label`` on its button, ``question`` and ``consequence`` where it is confirmed.

    ``verb`` stands on the button that does it; ``model`` names what it acts on (None: the whole of Dynamo); ``guard`` is
    the relation from there to the object on which the right may be given instead of in general. ``perform`` calls the
    service and returns what to say afterwards. ``hindrance`` says why there is nothing to do now: the page then has no form.
    """

    label: str
    verb: Callable[[Any], str]
    permission: str
    question: Callable[[Any], str]
    consequence: Callable[[Any], str]
    perform: Callable[[Any, Actor, str], str]
    model: str | None = None
    guard: str = ""
    is_dangerous: bool = False
    reason_required: bool = True
    hindrance: Callable[[Any], str] = lambda _: ""
    #: Who else may, without the right: asked with who acts and the object. The service asks the same.
    also: Callable[[Actor, Any], bool] | None = None

    def is_open_to(self, user: Any, key: Key) -> bool:
        """Tell whether *user* may do it to the object of *key*; the general right comes first: it needs no look at the object."""
        if may(user, self.permission) or may(user, self.permission, self.guarded_object(key)):
            return True
        return self.also is not None and self.also(Actor.of(user), self.subject(key))

    def subject(self, key: Key) -> Model | None:
        """Return the object of the act, or None where it has none. Raises ``ObjectDoesNotExist`` for a wrong key."""
        if self.model is None:
            return None
        return apps.get_model(self.model)._default_manager.get(pk=key)

    def guarded_object(self, key: Key) -> Model | None:
        """Return the object on which the right may be given."""
        target: Any = self.subject(key)
        for step in self.guard.split(".") if self.guard else ():
            target = getattr(target, step)
        return target
