"""The terminal of one agent on tmux, as delivering and answering need it."""

import secrets
import time
from typing import TYPE_CHECKING

from anyio import to_thread

from agentcave.agents import Evidence, known_adapter
from agentcave.model.observed import ObservedSession
from agentcave.model.spec import ScreenRule, StopKey
from agentcave.model.status import Dialog
from agentcave.plan.activity import judge, wants_screen
from agentcave.sessions.delivery import NotDelivered, Sight
from agentcave.sessions.evidence import GLANCE, Subject, claims_of, read
from agentcave.tmux import Version, commands, scrubbed

if TYPE_CHECKING:
    from agentcave.sessions.pane import TmuxSession

WHOLE = 8 << 20
"""Bytes of an event that hold a prompt whole."""


class TmuxLine:
    """A ``Line``; see sessions/delivery.py."""

    def __init__(self, session: "TmuxSession", rules: tuple[ScreenRule, ...] = ()) -> None:
        self._session, self._rules = session, rules
        self._seen: ObservedSession | None = None
        self._asked: Dialog | None = None
        self.adapter = known_adapter(session.stamp.type)
        self.name = session.name
        self.folder = session.session_folder

    async def look(self) -> Sight:
        return await self.judge(await self._session.pane())

    async def judge(self, pane: ObservedSession) -> Sight:
        """The same for a pane that was just read."""
        self._seen = pane
        evidence = await self._read(pane)
        now = time.time()
        judgement = judge(claims_of(self.adapter, evidence), now)
        wants = wants_screen(judgement, now, draws=self.adapter.DRAWS)
        if evidence.rules and not pane.dead and wants:
            evidence = evidence._replace(screen=await self.screen(pane))
            judgement = judge(claims_of(self.adapter, evidence), now)
        sight = Sight(pane, judgement)
        self._asked = sight.judgement.dialog
        return sight

    async def _read(self, pane: ObservedSession, *, proving: bool = False) -> Evidence:
        """Files are read at once; what asks an API is kept out of the event loop."""
        subject = Subject(pane, self.folder, self._rules)
        limit = WHOLE if proving else GLANCE
        if not self.adapter.SERVES:
            return read(subject, limit=limit)
        return await to_thread.run_sync(lambda: read(subject, limit=limit, proving=proving))

    async def screen(self, pane: ObservedSession | None = None, *, escapes: bool = False) -> str:
        pane = pane or await self._session.pane()
        lines = await self._session.tell(commands.capture_pane(pane.pane, escapes=escapes))
        return b"\n".join(lines).decode(errors="replace")

    async def box(self) -> str | None:
        return self.adapter.draft(await self.screen(escapes=True))

    async def paste(self, data: bytes) -> None:
        buffer, manager = f"agentcave-{secrets.token_hex(8)}", self._session.manager
        loaded = await manager.host.run(
            manager.server.argv(*commands.load_buffer(buffer, "-")),
            environment=scrubbed(manager.environ),
            stdin=data,
        )
        if loaded.returncode != 0:
            raise NotDelivered(loaded.stderr.decode(errors="replace").strip())
        pane = (await self._session.pane()).pane
        if any(await self._session.tell(commands.paste(self._version, pane, buffer))):
            await self._session.tell(commands.delete_buffer(buffer))
            raise NotDelivered(f"{self.name} has ended")

    async def press(self, key: StopKey) -> bool:
        """Agents tell of a dialog before they draw it: what they told is read last of all."""
        pane = self._seen or await self._session.pane()
        hidden = "" if self.adapter.INPUT else self.adapter.DIALOG
        choice = commands.press(
            self._version,
            pane.pane,
            key.value,
            literally=key.literal,
            shown=self.adapter.INPUT,
            hidden=hidden,
        )
        told = judge(claims_of(self.adapter, await self._read(pane)), time.time()).dialog
        if told is not None and told != self._asked:
            return False
        return not any(await self._session.tell(choice))

    async def press_on_dialog(self, key: StopKey) -> bool:
        """Press a key only if a dialog is on the screen at that very moment."""
        pane = (await self._session.pane()).pane
        dialog = self.adapter.DIALOG
        choice = commands.press(self._version, pane, key.value, literally=key.literal, shown=dialog)
        return not any(await self._session.tell(choice))

    async def shows(self, dialog: Dialog) -> bool:
        """Whether the screen shows this dialog: of several that were asked for, it shows one."""
        return self.adapter.is_shown(dialog, await self.screen())

    async def took(self, text: str, since: float) -> bool:
        pane = self._seen or await self._session.pane()
        return self.adapter.proof((await self._read(pane, proving=True)).told, text, since)

    async def leave_mode(self) -> None:
        pane = (await self._session.pane()).pane
        await self._session.tell(commands.leave_mode(pane))

    @property
    def _version(self) -> Version:
        return self._session.manager.facts.version
