"""The promise of an agent adapter. Adapters are modules; they look at values and return values."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

from agentcave.model.spec import AgentSpec, ScreenRule, StopKey
from agentcave.model.status import Claim, Dialog


class Start(NamedTuple):
    """All that an adapter may know of one start.

    ``workdir`` is the real path the agent starts in, ``folder`` that of the session's own folder.
    ``conversation`` is an id made by us, or learnt from the agent; None when there is none yet.
    With ``resume`` it can be gone on with. ``prompt`` is None when it has been sent before.
    ``briefing`` tells an agent of its Working Context. ``environment`` is that of the process.
    ``port`` (free a moment ago) and ``password`` are for the API of an agent that ``SERVES``.
    """

    spec: AgentSpec
    workdir: str
    environment: Mapping[str, str]
    conversation: str | None = None
    resume: bool = False
    prompt: str | None = None
    folder: str = ""
    briefing: str = ""
    port: int = 0
    password: str = ""


class Before(NamedTuple):
    """A command that has to succeed before the agent starts; without a terminal."""

    argv: tuple[str, ...]
    stdin: bytes = b""


class Overlay(NamedTuple):
    """A folder of the user's as one agent sees it: links to all in it, but a file of its own.

    ``place`` is relative to the session's own folder, ``source`` the user's folder (absolute).
    ``file``: its settings (JSON, comments allowed), of which the agent gets a copy. Below the
    copy lie ``defaults``; ``merge`` goes over it: mappings merge, lists are appended to what is
    there, anything else replaces it. ``folders`` are made in the source first, ``names`` linked
    even if nothing is there yet: so what the agent keeps there survives the session. ``only``:
    the entries to link, instead of all.
    """

    place: str
    source: str
    file: str = ""
    merge: Mapping[str, Any] = {}
    defaults: Mapping[str, Any] = {}
    folders: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None


class Launch(NamedTuple):
    """``environment`` is added to that of the start. ``files`` go into the session's own folder.

    The latter hold nothing secret: the folder is the cave's port to the outside. ``overlays`` are
    made before them (sessions/overlays.py). ``before`` runs in the directory and environment of
    the agent.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = {}
    files: Mapping[str, bytes] = {}
    overlays: tuple[Overlay, ...] = ()
    before: Before | None = None


class Seen(NamedTuple):
    """The beginning of a file that was read. ``at``: its last change, seconds since the epoch."""

    at: float
    data: bytes


Events = Mapping[str, Seen]
"""What hooks wrote, by kind."""


class Ask(NamedTuple):
    """A GET of the agent's API on 127.0.0.1. ``proves``: only asked whether a prompt was taken."""

    name: str
    port: int
    path: str
    headers: Mapping[str, str] = {}
    proves: bool = False


class Evidence(NamedTuple):
    """All that is known of a live session beyond its being alive; nothing of it is trusted.

    ``born``: when the process began, seconds since the epoch; ``ticks``: the same as
    /proc/PID/stat has it, None when that could not be read. ``events``: what hooks wrote.
    ``live``: the file that ``live_file`` names. ``api``: the JSON that its API answered to
    ``asks``, by their names, as of now. ``screen`` is None when it was not looked at.
    ``now``: when all this was read, seconds since the epoch.
    """

    pid: int | None
    born: float
    ticks: int | None = None
    title: str = ""
    events: Events = MappingProxyType({})
    live: Seen | None = None
    screen: str | None = None
    rules: Sequence[ScreenRule] = ()
    now: float = 0.0
    api: Mapping[str, Seen] = MappingProxyType({})

    @property
    def told(self) -> Events:
        """All that the agent said itself: by its hooks, its live file (``live``) and its API."""
        live = {"live": self.live} if self.live is not None else {}
        return {**self.events, **live, **self.api}


Answer = Literal["approve", "deny", "answer"]


class TrustFile(NamedTuple):
    """``lock``: the folder that the agent makes while it writes the file at ``path``."""

    path: str
    lock: str


class Adapter(Protocol):
    """``PROGRAM`` is the argv that ``command`` replaces; ``INSTALL`` says how to get it.

    - ``SEEN``: the versions that it was seen to work with, the oldest first.
    - ``CONVERSES``: has conversations that can be gone on with; ``NAMES``: under an id of ours.
    - ``REPORTS``: tells its status itself, so that ``ready`` can wait for it.
    - ``QUEUES``: takes prompts while it works. ``PROVES``: tells which prompts it took.
      ``COMMANDS``: beginnings of texts that it takes as something else than a prompt.
      ``TYPES_PROMPT``: its first prompt cannot be given with the launch, so it is typed.
    - ``SERVES``: has an API of its own on 127.0.0.1, at the port of the start.
    - ``DRAWS``: what it asks is read off its screen, also where it has told of it.
    - ``STOP_KEYS`` and ``STOP_SIGNAL`` end it politely when the file does not say how.
    - ``EVENTS``: the kinds of events that its hooks write (agents/hooks.py).
    - ``SCREEN``: what its screens mean, the first rule that matches.
    - ``INPUT`` and ``DIALOG``: POSIX extended expressions without ``#{},`` for a line that the
      screen shows while the input box takes text, and while a dialog is open; "" where there is
      none to know it by.
    - ``UNRESUMABLE``: what it says when it cannot go on with a conversation.
    """

    PROGRAM: tuple[str, ...]
    INSTALL: str
    SEEN: tuple[str, ...]
    CONVERSES: bool
    NAMES: bool
    REPORTS: bool
    QUEUES: bool
    PROVES: bool
    COMMANDS: tuple[str, ...]
    TYPES_PROMPT: bool
    SERVES: bool
    DRAWS: bool
    STOP_KEYS: tuple[StopKey, ...]
    STOP_SIGNAL: str
    EVENTS: tuple[str, ...]
    SCREEN: tuple[ScreenRule, ...]
    INPUT: str
    DIALOG: str
    UNRESUMABLE: str

    def launch(self, start: Start) -> Launch:
        """How the process is started."""
        ...

    def transcript(self, start: Start) -> str | None:
        """A glob pattern for the file without which ``start.conversation`` cannot be resumed."""
        ...

    def trust_file(self, environment: Mapping[str, str]) -> TrustFile | None:
        """The file of its own in which the agent keeps what is trusted; None: it needs none."""
        ...

    def with_trust(self, text: str, places: tuple[str, ...]) -> str | None:
        """The text of that file with the first place trusted; None when any of them is.

        Raises ValueError for a text that it cannot read.
        """
        ...

    def live_file(self, environment: Mapping[str, str], pid: int) -> str | None:
        """The file in which the agent itself tells what it does."""
        ...

    def asks(self, environment: Mapping[str, str]) -> Sequence[Ask]:
        """What to ask the API of a process that has this environment."""
        ...

    def claims(self, evidence: Evidence) -> Sequence[Claim]:
        """What the sources say. Never raises, whatever is in them."""
        ...

    def conversation(self, events: Events) -> str | None:
        """The id of the conversation that the agent is in, where its events tell."""
        ...

    def proof(self, events: Events, text: str, since: float) -> bool:
        """Whether a prompt typed at ``since`` was taken, whole."""
        ...

    def typed(self, text: str) -> str:
        """What to paste, so that the agent takes ``text`` as it is."""
        ...

    def draft(self, screen: str) -> str | None:
        """What stands in the input box; "" for nothing, None where no box is seen.

        ``screen`` has its escape sequences: placeholders are known by their colour.
        """
        ...

    def is_shown(self, dialog: Dialog, screen: str) -> bool:
        """Whether this is the dialog on the screen, as far as that can be seen."""
        ...

    def keys(self, answer: Answer, dialog: Dialog, text: str) -> Sequence[StopKey] | None:
        """What to press for an answer to a dialog; None when it cannot be given from outside."""
        ...
