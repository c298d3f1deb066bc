"""What can be said of a session: its phase is a fact, its activity a judgement."""

from enum import StrEnum
from typing import NamedTuple


class Phase(StrEnum):
    PENDING = "pending"
    WAITING = "waiting"
    CREATING = "creating"
    RUNNING = "running"
    BACKOFF = "backoff"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    UNREACHABLE = "unreachable"


class Activity(StrEnum):
    STARTING = "starting"
    WORKING = "working"
    APPROVAL = "approval"
    QUESTION = "question"
    IDLE = "idle"
    LIMITED = "limited"
    UNKNOWN = "unknown"


class Status(NamedTuple):
    """``reason`` says in one line why, or why the session is not as declared."""

    phase: Phase
    activity: Activity | None
    reason: str
