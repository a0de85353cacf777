"""The one table of a campaign's life: state x action -> state. What is not in it is refused."""

from __future__ import annotations

from collections.abc import Mapping

from campaigns.choices import CampaignAction as Action
from campaigns.choices import CampaignState as State
from campaigns.exceptions import InvalidTransition

TRANSITIONS: Mapping[tuple[State, Action], State] = {
    (State.DRAFT, Action.EDIT): State.DRAFT,
    (State.DRAFT, Action.STUDY): State.STUDIED,
    (State.DRAFT, Action.CANCEL): State.CANCELLED,
    (State.STUDIED, Action.STUDY): State.STUDIED,
    (State.STUDIED, Action.REVISE): State.DRAFT,
    (State.STUDIED, Action.PROPOSE): State.PROPOSED,
    (State.STUDIED, Action.CANCEL): State.CANCELLED,
    (State.PROPOSED, Action.ASK): State.PROPOSED,
    (State.PROPOSED, Action.DECIDE): State.PROPOSED,
    (State.PROPOSED, Action.SIGN): State.PROPOSED,
    (State.PROPOSED, Action.APPROVE): State.APPROVED,
    (State.PROPOSED, Action.REJECT): State.REJECTED,
    (State.PROPOSED, Action.REVISE): State.DRAFT,
    (State.PROPOSED, Action.CANCEL): State.CANCELLED,
    (State.PROPOSED, Action.EXPIRE): State.EXPIRED,
    (State.APPROVED, Action.ASK): State.APPROVED,
    (State.APPROVED, Action.DECIDE): State.APPROVED,
    (State.APPROVED, Action.SIGN): State.APPROVED,
    (State.APPROVED, Action.REJECT): State.REJECTED,
    (State.APPROVED, Action.EXECUTE): State.EXECUTING,
    (State.APPROVED, Action.REVISE): State.DRAFT,
    (State.APPROVED, Action.CANCEL): State.CANCELLED,
    (State.APPROVED, Action.EXPIRE): State.EXPIRED,
    (State.REJECTED, Action.REVISE): State.DRAFT,
    (State.REJECTED, Action.CANCEL): State.CANCELLED,
    (State.EXECUTING, Action.PAUSE): State.PAUSED,
    (State.EXECUTING, Action.COMPLETE): State.COMPLETED,
    (State.EXECUTING, Action.CANCEL): State.CANCELLED,
    (State.EXECUTING, Action.EXPIRE): State.EXPIRED,
    (State.PAUSED, Action.RESUME): State.EXECUTING,
    (State.PAUSED, Action.COMPLETE): State.COMPLETED,
    (State.PAUSED, Action.CANCEL): State.CANCELLED,
    (State.PAUSED, Action.EXPIRE): State.EXPIRED,
}


def next_state(state: str, action: str) -> State:
    """Return the state after *action*. Raises `InvalidTransition`, saying from which states it is possible."""
    found = TRANSITIONS.get((State(state), Action(action)))
    if found is None:
        possible = ", ".join(State(one).label for one, other in TRANSITIONS if other == action) or "no state"
        raise InvalidTransition(
            f"the campaign is {State(state).label}: '{Action(action).label}' is possible only when it is {possible}"
        )
    return found


def allows(state: str, action: str) -> bool:
    """Tell whether the state allows the act."""
    return (State(state), Action(action)) in TRANSITIONS


def diagram() -> str:
    """Return the table as the documentation draws it: a line per state, its actions, and where they lead."""
    lines = []
    for state in State:
        leads = [(action, target) for (origin, action), target in TRANSITIONS.items() if origin == state]
        if not leads:
            lines.append(f"{state.label}  (final)")
            continue
        lines.append(state.label)
        lines += [f"  {action.label:<22} -> {target.label if target != state else '(stays)'}" for action, target in leads]
    return "\n".join(lines)
