"""What can be said of a session: its phase is a fact, its activity a judgement."""

from enum import StrEnum
from typing import Literal, NamedTuple


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


ATTENTION = frozenset({Activity.APPROVAL, Activity.QUESTION, Activity.LIMITED})
"""Activities in which a person is needed."""

Source = Literal["live", "hook", "title", "screen", "process"]
"""``live``: a file or interface that the agent itself keeps up to date."""


class Dialog(NamedTuple):
    """What an agent asks a person. ``id`` is another one for another dialog.

    ``startup``: it stands before the first prompt (trust, login); only a person at the terminal
    may answer it. ``options`` are the answers that a question offers, in order; None when it is
    not one single choice. ``drawn``: what is on the screen, where that was compared; else "".
    """

    kind: Literal["approval", "question", "startup"]
    text: str
    id: str = ""
    options: tuple[str, ...] | None = None
    drawn: str = ""


class Claim(NamedTuple):
    """What one source says of an agent.

    ``at``: since when, in seconds since the epoch; None for a source that only shows the present.
    ``rule``: what in the source said it. ``lasts``: seconds after which it says nothing any more.
    ``refines``: activities of a live source which this one, when newer, tells more exactly.
    ``until``: when a limit ends, in seconds since the epoch.
    """

    source: Source
    activity: Activity
    rule: str
    reason: str = ""
    at: float | None = None
    lasts: float | None = None
    refines: tuple[Activity, ...] = ()
    until: float | None = None
    dialog: Dialog | None = None


class Judgement(NamedTuple):
    """What all sources together say. ``winner`` is None when nothing is known.

    ``claims``: everything that was said, the best source first; ``expired`` ones say nothing any
    more. ``doubts``: fresh claims that say otherwise and tell of the present too.
    """

    activity: Activity
    reason: str = ""
    winner: Claim | None = None
    claims: tuple[Claim, ...] = ()
    expired: tuple[Claim, ...] = ()
    doubts: tuple[Claim, ...] = ()

    @property
    def dialog(self) -> Dialog | None:
        return self.winner.dialog if self.winner is not None else None


class Status(NamedTuple):
    """``reason`` says in one line why, or why the session is not as declared.

    ``due``: when it is restarted, in seconds since the epoch.
    """

    phase: Phase
    activity: Activity | None
    reason: str
    judgement: Judgement | None = None
    due: float | None = None

    @property
    def needs_a_person(self) -> bool:
        return self.phase is Phase.FAILED or self.activity in ATTENTION
