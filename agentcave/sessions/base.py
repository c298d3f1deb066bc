"""``Session`` and ``SessionManager`` as in ADR 3, and the values they take and give."""

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from agentcave.agents.base import Overlay
from agentcave.errors import CaveError
from agentcave.model.spec import StopSpec
from agentcave.model.status import Judgement, Phase

if TYPE_CHECKING:
    from agentcave.sessions.delivery import Delivery


class SessionGone(CaveError):
    """There is no such session, or not any more."""


class SessionOptions(NamedTuple):
    """What a session is made of.

    ``argv[0]`` is looked up in the ``PATH`` of ``environment``, which is the whole environment of
    the process (the terminal's own variables are added). ``cwd`` is entered by its real path.
    ``size`` is columns and rows. ``uid``, ``file``, ``type`` and ``digest`` go into the stamp;
    without ``uid`` one is made from the project's name. ``workspace`` is the root of the cave's
    workspace when that is not ``cwd``. ``place``: the pane of an ended session
    that the new one takes over, attached people included, and ``replaces`` its id. ``id``: from
    ``fresh_id``, for whoever has to know it before. ``files`` are put into the session's own
    folder before the start, after the ``overlays``.
    """

    project: str
    cave: str
    agent: str
    argv: Sequence[str]
    cwd: str
    environment: Mapping[str, str]
    size: tuple[int, int] = (200, 50)
    uid: str | None = None
    file: str = ""
    type: str = "command"
    digest: str = ""
    stop: StopSpec = StopSpec()
    workspace: str | None = None
    place: str | None = None
    replaces: str | None = None
    id: str | None = None
    files: Mapping[str, bytes] = {}
    overlays: tuple[Overlay, ...] = ()


def fresh_id() -> str:
    """An id that no session has had before."""
    return secrets.token_hex(8)


class SessionStatus(NamedTuple):
    """``pid`` is the agent's own. ``exit_status`` and ``signal`` are None while it lives.

    ``judgement``: what the agent does, as far as a place can tell; None when it does not live.
    """

    phase: Phase
    pid: int | None = None
    exit_status: int | None = None
    signal: int | None = None
    attached: bool = False
    judgement: Judgement | None = None


class Session(Protocol):
    """The live terminal of one agent.

    Calls raise ``CaveError``: for a session that is gone, a place that cannot be reached, or a
    deadline that passed.
    """

    @property
    def id(self) -> str:
        """Fresh for every start of every agent; never used again."""
        ...

    @property
    def workspace_id(self) -> str:
        """``<project>/<cave>``: the workspace that the session works in."""
        ...

    async def status(self) -> SessionStatus: ...

    async def start(self) -> None:
        """Start the process; returns once it has its environment and directory."""
        ...

    async def stop(self, how: StopSpec | None = None) -> None:
        """End the whole process tree: politely, by signal, after the grace by force.

        ``how`` is that of the options when left out, else signal TERM and a grace of 15 s.

        The last screen stays readable by ``get_output`` until the session is removed. Stopping
        a session that has ended is no error.
        """
        ...

    async def resize(self, size: tuple[int, int]) -> None:
        """Give the terminal another size, in columns and rows."""
        ...

    async def send_input(
        self, text: str, *, enter: bool = True, timeout: float = 60.0
    ) -> "Delivery":
        """Deliver a prompt, whole, once (sessions/delivery.py).

        It waits at most ``timeout`` seconds for the agent to take prompts. Raises NotDelivered
        with the reason, and Unconfirmed when it was typed and not proven.
        """
        ...

    async def get_output(self) -> str:
        """What the screen shows, or showed last, without escape sequences."""
        ...


class SessionManager(Protocol):
    async def create_session(self, options: SessionOptions) -> Session:
        """Reserve a session; nothing is started, and nothing is visible to others yet."""
        ...

    async def get_session(self, session_id: str) -> Session:
        """Raises SessionGone when there is no such session."""
        ...

    async def list_sessions(self) -> list[Session]: ...

    async def remove_session(self, session_id: str) -> None:
        """End it when it runs, and leave nothing of it. No such session is no error."""
        ...
