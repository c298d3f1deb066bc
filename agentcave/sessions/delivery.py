"""How a prompt gets to an agent: whole, once, and never into a dialog.

What was typed is not yet taken: agents swallow the first Enter after their start, and Enter on an
open dialog approves it (seen in Claude Code, Gemini CLI). So there is a gate before, a proof
after, and Enter is pressed again only while the text stands in the input box.
"""

import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, NamedTuple, Protocol

import anyio

from agentcave.agents import Adapter
from agentcave.errors import CaveError
from agentcave.model.observed import ObservedSession
from agentcave.model.spec import StopKey
from agentcave.model.status import Activity, Dialog, Judgement
from agentcave.sessions.base import SessionGone

LOOK_AGAIN = 0.1
SHOWN_WITHIN = 5.0
"""Seconds for a paste to appear in the input box."""
DRAFT_STAYS = 1.5
"""Seconds after which a text in the input box is somebody's, not one that was just taken."""
SETTLE = 0.15
PROVEN_WITHIN = 2.0
"""Seconds for the agent to say that it took a prompt, before Enter is pressed again."""
ENTERS = 4
LOGS = "`agentcave logs` shows its screen"
IN_MODE = "takes no keys: somebody scrolls in it, or chooses in tmux"
LEAVE_MODE = "press q where it is attached to leave that mode of tmux"


class Delivery(NamedTuple):
    """``delivered``: proven. ``sent``: handed to an agent that cannot prove it."""

    verdict: Literal["delivered", "sent"]
    reason: str = ""


class NotDelivered(CaveError):
    """The prompt did not reach the agent."""

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(f"not-delivered: {reason}", hint)


class Unconfirmed(CaveError):
    """The prompt was typed, and whether the agent took it is not known."""

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(f"unconfirmed: {reason}", hint)


class Sight(NamedTuple):
    """One look at a live session."""

    pane: ObservedSession
    judgement: Judgement


class Line(Protocol):
    """The terminal of one agent, as far as delivering needs it."""

    adapter: Adapter
    name: str
    folder: str

    async def look(self) -> Sight:
        """Raises CaveError when the session is gone."""
        ...

    async def box(self) -> str | None:
        """What stands in the input box now; None where none is seen."""
        ...

    async def paste(self, data: bytes) -> None: ...
    async def press(self, key: StopKey) -> bool:
        """Press a key, unless (False) a dialog is on the screen at that very moment."""
        ...

    async def took(self, text: str, since: float) -> bool:
        """Whether the agent says that it took this prompt."""
        ...

    async def leave_mode(self) -> None:
        """Let the pane take keys again."""
        ...


class Wish(NamedTuple):
    """How to deliver. ``enter`` False: only put it into the input box. ``answer``: also into a
    question. ``idle``: wait until the agent is idle. ``timeout`` bounds the waiting, in seconds."""

    enter: bool = True
    answer: bool = False
    idle: bool = False
    timeout: float = 60.0


async def deliver(line: Line, text: str, wish: Wish) -> Delivery:
    """Type a prompt and see it taken. Raises NotDelivered, and Unconfirmed."""
    data = pasteable(line.adapter.typed(text))
    async with alone(line.folder, wish.timeout):
        sight = await _gate(line, wish)
        before = await _settled_box(line)
        if before:
            raise NotDelivered(
                f"a draft stands in the input box of {line.name}: {before[:60]!r}",
                "`agentcave attach` to finish it or to clear it",
            )
        since = time.time()
        if data:
            await line.paste(data)
        boxed = before is not None and bool(data)
        try:
            return await _finish(line, text, wish, sight.judgement, since, boxed=boxed)
        except (NotDelivered, Unconfirmed):
            raise
        except CaveError as exc:  # the session went, or tmux did
            raise Unconfirmed(f"typed to {line.name}, and then: {exc.message}", exc.hint) from exc


async def _finish(
    line: Line, text: str, wish: Wish, before: Judgement, since: float, *, boxed: bool
) -> Delivery:
    """Enter and proof, for what has been pasted. ``boxed``: the input box will show it."""
    shown = boxed and await _appears(line)
    if boxed and not shown:
        raise Unconfirmed(f"the text did not appear in the input box of {line.name}", LOGS)
    if not wish.enter:
        return Delivery("delivered" if shown else "sent", "it stands in the input box")
    await anyio.sleep(SETTLE)
    if not line.adapter.PROVES:
        await _enter(line)
        return Delivery("sent")
    if before.dialog is not None:
        return await _answer(line, before.dialog)
    return await _submit(line, text, since, before, shown)


async def _gate(line: Line, wish: Wish) -> Sight:
    """Wait until a prompt may be typed. Raises NotDelivered when it may not."""
    deadline = time.monotonic() + wish.timeout
    while True:
        sight = await line.look()
        why = refusal(sight, line.adapter, wish)
        if why is None:
            if sight.pane.in_mode:
                await line.leave_mode()
            return sight
        if not why.passes or time.monotonic() >= deadline:
            raise NotDelivered(f"{line.name} {why.text}", why.hint)
        await anyio.sleep(LOOK_AGAIN)


class Refusal(NamedTuple):
    """Why nothing may be typed now. ``passes``: it ends by itself, so it is waited for."""

    text: str
    passes: bool = False
    hint: str | None = None


def refusal(sight: Sight, adapter: Adapter, wish: Wish) -> Refusal | None:
    """What stands against typing into a session that was just looked at; None for nothing."""
    pane, judgement = sight
    if pane.dead:
        return Refusal("has ended", hint="`agentcave up` starts it again")
    if pane.in_mode and pane.attached:
        return Refusal(IN_MODE, hint=LEAVE_MODE)
    dialog = judgement.dialog
    if dialog is not None and dialog.kind == "startup":
        return Refusal(f"has not started: {judgement.reason}", hint="`agentcave attach` to answer")
    match judgement.activity:
        case Activity.STARTING:
            return Refusal("has not started yet", passes=True)
        case Activity.APPROVAL:
            return Refusal(f"waits for approval: {judgement.reason}", hint=_ANSWERS)
        case Activity.QUESTION if adapter.INPUT:  # its dialogs take keys, and no pasted text
            return Refusal(f"asks: {judgement.reason}", hint=_ANSWERS)
        case Activity.QUESTION if not wish.answer:
            return Refusal(f"asks: {judgement.reason}", hint=f"--answer types into it; {_ANSWERS}")
        case Activity.WORKING if wish.idle:
            return Refusal("did not become idle", passes=True)
        case Activity.WORKING if not adapter.QUEUES:
            return Refusal("works, and takes no prompts meanwhile", hint="--wait waits for idle")
        case _:
            return None


_ANSWERS = "`agentcave approve`, `deny` and `answer` answer it"


async def _submit(line: Line, text: str, since: float, before: Judgement, shown: bool) -> Delivery:
    """Press Enter until the prompt is taken, again only while it stands in the input box."""
    queued = shown and before.activity is Activity.WORKING
    for _ in range(ENTERS):
        await _enter(line)
        if done := await _taken(line, text, since, queued):
            return done
        sight = await line.look()
        if sight.pane.dead:
            raise Unconfirmed(f"{line.name} ended before it said that it took the prompt")
        if sight.judgement.dialog is not None:
            raise Unconfirmed(f"{line.name} {sight.judgement.activity}: {sight.judgement.reason}")
        left = await line.box()
        if left == "" and shown:
            return await _left(line, text, since)
        if left is None:
            break
    raise Unconfirmed(f"{line.name} did not say that it took the prompt", LOGS)


async def _answer(line: Line, asked: Dialog) -> Delivery:
    """Enter for what was typed into a question: no prompt, so what proves it is the next status."""
    await _enter(line)
    deadline = time.monotonic() + PROVEN_WITHIN
    while time.monotonic() < deadline:
        now = (await line.look()).judgement.dialog
        if now is None or now.id != asked.id:
            return Delivery("delivered", "it answers the question")
        await anyio.sleep(LOOK_AGAIN / 4)
    raise Unconfirmed(f"{line.name} still asks: {asked.text}", LOGS)


async def _taken(line: Line, text: str, since: float, queued: bool) -> Delivery | None:
    """Wait for the proof. ``queued``: the agent works, so to leave the input box is proof too."""
    looked = deadline = time.monotonic()
    while time.monotonic() < deadline + PROVEN_WITHIN:
        if await line.took(text, since):
            return Delivery("delivered")
        if queued and time.monotonic() > looked + PROVEN_WITHIN / 8:
            looked = time.monotonic()
            if await line.box() == "":
                return Delivery("delivered", "it is queued until the turn ends")
        await anyio.sleep(LOOK_AGAIN / 4)
    return None


async def _left(line: Line, text: str, since: float) -> Delivery:
    """The text has left the input box, and nothing has proven yet that it was taken."""
    if text.lstrip().startswith(line.adapter.COMMANDS):
        return Delivery("sent", "the agent took it as a command of its own")
    if done := await _taken(line, text, since, queued=False):
        return done
    raise Unconfirmed(f"the text left the input box of {line.name}, and no turn began", LOGS)


async def _enter(line: Line) -> None:
    if not await line.press(StopKey("Enter")):
        raise NotDelivered(
            f"a dialog opened in {line.name} before Enter; the text may stand in its input box",
            "`agentcave status` tells what it asks",
        )


async def _settled_box(line: Line) -> str | None:
    """What stands in the input box, once it is drawn and what was taken has left it."""
    began = time.monotonic()
    while True:
        text, waited = await line.box(), time.monotonic() - began
        if text == "" or (text is None and not line.adapter.INPUT):
            return text
        if text and waited >= DRAFT_STAYS:
            return text
        if text is None and waited >= SHOWN_WITHIN:
            raise NotDelivered(f"{line.name} shows no input box", LOGS)
        await anyio.sleep(LOOK_AGAIN)


async def _appears(line: Line) -> bool:
    """Whether what was pasted shows in the input box; pasting is done when it does."""
    with anyio.move_on_after(SHOWN_WITHIN):
        while not await line.box():
            await anyio.sleep(LOOK_AGAIN / 2)
        return True
    return False


@asynccontextmanager
async def alone(folder: str, timeout: float) -> AsyncIterator[None]:
    """Hold the session's folder, so that two senders do not mix. ``timeout`` is in seconds."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as exc:
        raise SessionGone(f"the session is gone, and its folder {folder} too") from exc
    except OSError as exc:
        raise NotDelivered(f"cannot open the session's folder {folder}: {exc.strerror}") from exc
    try:
        deadline = time.monotonic() + timeout
        while not _locked(descriptor):
            if time.monotonic() >= deadline:
                raise NotDelivered("another prompt is being delivered there all the time")
            await anyio.sleep(LOOK_AGAIN / 2)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def pasteable(text: str) -> bytes:
    """Bytes for a paste buffer. Raises NotDelivered for control characters, which are no text.

    They would act on the agent's terminal; an embedded end of paste would run what follows it.
    """
    plain = text.replace("\r\n", "\n").rstrip("\n")
    if any((ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 for c in plain):
        raise NotDelivered("the text holds control characters", "send plain text")
    return plain.encode("utf-8", "surrogateescape")
