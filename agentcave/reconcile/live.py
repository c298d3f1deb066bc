"""Live sessions and history: the part of the snapshot that ``ps`` needs."""

from collections.abc import Iterable, Mapping

from agentcave.model.observed import History, Key, Observed, ObservedSession


def observe_sessions(
    found: Iterable[ObservedSession], uid: str, history: Mapping[Key, History]
) -> Observed:
    """Live sessions, sorted by whose they are, and history: what ``ps`` needs."""
    ours: dict[Key, tuple[ObservedSession, ...]] = {}
    others, controllers = [], []
    for session in found:
        if session.is_controller:
            controllers += [session] if session.stamp.uid == uid else []
        elif session.stamp.uid == uid:
            key = session.stamp.key
            ours[key] = (*ours.get(key, ()), session)
        else:
            others.append(session)
    return Observed(
        sessions=ours, others=tuple(others), history=history, controllers=tuple(controllers)
    )
