"""Answering what an agent asks, from outside: seen, compared, pressed, and seen to be gone."""

import time
from collections.abc import Sequence

import anyio

from agentcave.agents import Answer
from agentcave.errors import CaveError
from agentcave.model.spec import StopKey
from agentcave.model.status import Dialog
from agentcave.sessions.delivery import IN_MODE, LEAVE_MODE, LOGS, LOOK_AGAIN, Unconfirmed, alone
from agentcave.sessions.line import TmuxLine

GONE_WITHIN = 5.0
ATTEMPTS = 4
BY_HAND = "`agentcave attach` answers it"
BETWEEN_KEYS = 0.2
"""Seconds for a dialog to follow a key; typed at once, later ones were lost (Claude Code)."""
FITTING: dict[Answer, tuple[str, ...]] = {
    "approve": ("approval",),
    "deny": ("approval", "question"),
    "answer": ("question",),
}


async def give(
    line: TmuxLine, answer: Answer, text: str = "", expected: str | None = None
) -> Dialog:
    """Answer the dialog that is open; returns it. ``expected``: only if it has this id.

    Raises CaveError when there is none, when it is another one, or when it changed meanwhile.
    """
    async with alone(line.folder, GONE_WITHIN):
        dialog = await _drawn(line, answer, expected)
        keys = line.adapter.keys(answer, dialog, text)
        if keys is None:
            raise CaveError(
                f"{line.name} cannot be given this answer from outside: {dialog.text}", BY_HAND
            )
        await _press(line, dialog, keys)
        return dialog


async def _drawn(line: TmuxLine, answer: Answer, expected: str | None) -> Dialog:
    """The dialog that is open, once it is on the screen: agents tell of it a moment before."""
    deadline = time.monotonic() + GONE_WITHIN
    while True:
        dialog = await _open(line)
        if expected is not None and dialog.id != expected:
            raise CaveError(f"{line.name} asks something else by now: {dialog.text}", LOGS)
        if dialog.kind not in FITTING[answer]:
            what = {"approval": "waits for an approval", "question": "asks a question"}
            said = what.get(dialog.kind, "asks before it starts, which only a person may answer")
            raise CaveError(f"{line.name} {said}: {dialog.text}", BY_HAND)
        if await line.shows(dialog):
            return dialog
        if time.monotonic() >= deadline:
            hidden = f"what it asks is not whole on the screen of {line.name}: {dialog.text}"
            raise CaveError(f"{hidden}; nothing was pressed", BY_HAND)
        expected = expected or dialog.id or None
        await anyio.sleep(LOOK_AGAIN / 2)


async def _open(line: TmuxLine) -> Dialog:
    sight = await line.look()
    if sight.pane.dead:
        raise CaveError(f"{line.name} has ended", "`agentcave up` starts it again")
    if sight.pane.in_mode and sight.pane.attached:
        raise CaveError(f"{line.name} {IN_MODE}", LEAVE_MODE)
    if sight.pane.in_mode:
        await line.leave_mode()
    if sight.judgement.dialog is None:
        raise CaveError(f"{line.name} asks nothing: it is {sight.judgement.activity}")
    return sight.judgement.dialog


async def _press(line: TmuxLine, dialog: Dialog, keys: Sequence[StopKey]) -> None:
    """The first key again while the dialog stays: agents ignore keys when it has just come up.

    Once it was pressed, a dialog that is not there any more has been answered: agents may go on
    telling of it for a while (Codex 0.169, while a command runs).
    """
    if await _open(line) != dialog:
        raise CaveError(f"what {line.name} asks has changed; nothing was pressed", LOGS)
    for again in range(ATTEMPTS):
        if again and not await _stays(line, dialog):
            return
        if not await line.press_on_dialog(keys[0]):
            if again:
                return
            raise CaveError(f"{line.name} shows no dialog any more; nothing was pressed", LOGS)
        for key in keys[1:]:
            await anyio.sleep(BETWEEN_KEYS)
            if not await line.press_on_dialog(key):
                raise CaveError(f"{line.name} shows no dialog any more; not all was typed", LOGS)
        if await _gone(line, dialog):
            return
        if len(keys) > 1:
            break  # what was typed must not be typed again
    raise Unconfirmed(f"{line.name} still asks: {dialog.text}", LOGS)


async def _gone(line: TmuxLine, dialog: Dialog) -> bool:
    deadline = time.monotonic() + GONE_WITHIN / ATTEMPTS
    while time.monotonic() < deadline:
        if not await _told(line, dialog):
            return True
        await anyio.sleep(LOOK_AGAIN / 2)
    return False


async def _stays(line: TmuxLine, dialog: Dialog) -> bool:
    return await _told(line, dialog) and await line.shows(dialog)


async def _told(line: TmuxLine, dialog: Dialog) -> bool:
    now = (await line.look()).judgement.dialog
    return now is not None and now.id == dialog.id
