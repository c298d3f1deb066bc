"""Rows of the history as values. What cannot have been written by us raises one of ``DAMAGE``."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from agentcave.model.observed import History, Key, SeedRecord, WorkspaceRecord

DAMAGE = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)
_NONE = type(None)
_TEXT, _MAYBE_TEXT = (str,), (str, _NONE)
_NUMBER, _MAYBE_NUMBER = (int,), (int, _NONE)
_AGENT: Mapping[str, Collection[type]] = {
    "intent": _TEXT,
    "session": _MAYBE_TEXT,
    "digest": _MAYBE_TEXT,
    "fields": _TEXT,
    "size": _MAYBE_TEXT,
    "conversation": _MAYBE_TEXT,
    "prompted": _NUMBER,
    "restarts": _NUMBER,
    "started": _MAYBE_NUMBER,
    "ended": _MAYBE_TEXT,
    "exit_status": _MAYBE_NUMBER,
    "signal": _MAYBE_NUMBER,
    "resumed": _NUMBER,
    "streak": _NUMBER,
    "ended_at": (int, float, _NONE),
}
_WORKSPACE: Mapping[str, Collection[type]] = {
    "type": _TEXT,
    "path": _TEXT,
    "branch": _MAYBE_TEXT,
    "ready": (bool,),
    "setup": _MAYBE_TEXT,
    "placed": (dict,),
    "disposable": (tuple,),
    "on_remove": _TEXT,
    "base": _MAYBE_TEXT,
}
_LATEST = 1 << 40
"""Seconds since the epoch that no clock shows."""


def histories(rows: Sequence[Sequence[Any]]) -> dict[Key, History]:
    """Cave, agent, and as many fields of a history as its format has."""
    kinds = (_TEXT, _TEXT, *(_AGENT[name] for name in History._fields))
    for found in {tuple(map(type, row)) for row in rows}:  # few, whereas rows are many
        _require(all(kind in known for kind, known in zip(found, kinds, strict=False)))
    known = {(row[0], row[1]): History(*row[2:]) for row in rows}
    _require({past.intent for past in known.values()} <= {"running", "stopped", "down"})
    _require({past.ended for past in known.values()} <= {"completed", "failed", "stopped", None})
    _require(all(0 <= (past.ended_at or 0) < _LATEST for past in known.values()))
    return known


def workspace(body: str) -> WorkspaceRecord:
    held = json.loads(body)
    record = WorkspaceRecord(**{**held, "disposable": tuple(held.get("disposable", ()))})
    for value, kinds in zip(record, _WORKSPACE.values(), strict=True):
        _require(type(value) in kinds)
    _require(_are_text((*record.disposable, *record.placed.values())))
    _require(record.on_remove in ("keep", "remove-if-clean"))
    return record


def seeds(bodies: Sequence[str]) -> list[dict[str, SeedRecord]]:
    found = json.loads(f"[{','.join(bodies)}]")  # one call, not thousands
    _require(len(found) == len(bodies))
    made = [{name: SeedRecord._make(held) for name, held in body.items()} for body in found]
    _require(all(_are_text(record) for body in made for record in body.values()))
    return made


def event(body: str) -> dict[str, Any]:
    told = json.loads(body)
    _require(isinstance(told, dict))
    return dict(told)


def texts(body: str | None) -> dict[str, str]:
    """A mapping of texts; nothing holds none."""
    held = json.loads(body or "{}")
    _require(isinstance(held, dict) and _are_text(held.values()))
    return dict(held)


def _are_text(values: Collection[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _require(sound: bool) -> None:
    if not sound:
        raise ValueError
