"""The one read of the world: every stamped pane of the server, as blocking code."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping

from agentcave.errors import CaveError, Unavailable
from agentcave.hosts import Host, Pending, environment_of, existing_folder, state_root
from agentcave.hosts.processes import has_ended, working_directory
from agentcave.model.names import session_name
from agentcave.model.observed import ObservedSession, Stamp
from agentcave.sessions.launch import PIDS, process_in
from agentcave.sessions.stamp import VERSION, decode, version_of
from agentcave.tmux import (
    Garbage,
    PaneRow,
    Server,
    TmuxError,
    deaths_unknown,
    parse_panes,
    scrubbed,
)
from agentcave.tmux.formats import STAMP
from agentcave.tmux.versions import parse_version

READ_TIMEOUT = 10.0
NUDGES = 30
NEWER = "was started by a newer agentcave than this"
UPGRADE = "use that one, or upgrade this"


class Reading:
    """A read that has begun; what is asked meanwhile runs beside it."""

    def __init__(self, host: Host, server: Server) -> None:
        self._host, self.server = host, server
        self._failed: CaveError | None = None
        self.server_pid: int | None = None
        """The server's process, once it has answered; None without a single pane, whoever's."""
        self.seen: list[ObservedSession] = []
        self.pane_pids: tuple[int, ...] = ()
        """The processes of all panes, whoever's, as far as tmux tells them."""
        try:
            self._pending = self._begin()
        except CaveError as exc:  # raised when the answer is asked for: not all need it
            self._failed = exc

    def _begin(self) -> Pending:
        try:
            argv = self.server.list_panes_argv()
        except TmuxError as exc:
            raise translated(exc) from exc
        return self._host.begin(argv, environment=scrubbed(os.environ), timeout=READ_TIMEOUT)

    def sessions(self, *, certain: bool = False) -> list[ObservedSession]:
        """Every stamped session, whoever's. Raises CaveError when tmux cannot be read.

        ``certain``: what has just ended is seen as ended, even if tmux does not know it yet.
        tmux before 3.6 with libutempter can miss the end of a process: the pane is dead, and how
        it ended is unknown until another child of the server ends (tmux issue 4559). SIGCHLD
        makes the server look, so it is sent, and the panes are read again.
        """
        if self._failed is not None:
            raise self._failed
        attempt = 0
        while True:
            rows = self._rows()
            self.server_pid = next((row.server_pid for row in rows if row.server_pid), None)
            if rows and self.server_pid is None:
                self.server_pid = self._ask_pid()
            self.pane_pids = tuple(row.pane_pid for row in rows if row.pane_pid is not None)
            found = stamped(rows, os.environ, self.server_version)
            live = [one.pid for one in found if one.pid is not None and not one.dead]
            places: dict[int | None, str | None] = {pid: working_directory(pid) for pid in live}
            self.seen = [_placed(one, places.get(one.pid)) for one in found]
            behind = certain and any(has_ended(pid) for pid in live if not places[pid])
            if attempt == NUDGES or not (behind or deaths_unknown(rows)):
                return self.seen
            attempt += 1
            if self.server_pid is not None:
                os.kill(self.server_pid, signal.SIGCHLD)
            time.sleep(0.002 * attempt)
            self._pending = self._begin()

    def _rows(self) -> list[PaneRow]:
        try:
            return parse_panes(self.server, self._pending.result(), os.environ)
        except Garbage as exc:
            raise translated(exc.said_by(self.server_version())) from exc
        except TmuxError as exc:
            raise translated(exc) from exc

    def server_version(self) -> str:
        """The server's version, which may not be the program's; "" if it tells none."""
        try:
            return str(parse_version(self._ask("#{version}")))
        except TmuxError:
            return ""

    def _ask_pid(self) -> int | None:
        """The server's process, where its rows are not understood."""
        told = self._ask("#{pid}").strip()
        return int(told) if told.isascii() and told.isdigit() and len(told) < 10 else None

    def _ask(self, what: str) -> str:
        asked = self.server.argv("display-message", "-p", what)
        done = self._host.read(asked, environment=scrubbed(os.environ), timeout=READ_TIMEOUT)
        return done.stdout.decode(errors="replace")


def _placed(session: ObservedSession, place: str | None) -> ObservedSession:
    """The same with whether its workspace was deleted under it."""
    lost = place == f"{session.stamp.workspace} (deleted)"
    return session._replace(uprooted=True) if lost else session


def stamped(
    rows: Iterable[PaneRow], environ: Mapping[str, str], version: Callable[[], str]
) -> list[ObservedSession]:
    """Panes that carry a stamp of ours, the oldest first. ``version``: asked for when needed.

    tmux tells of a pane once for each session that shows it (``new-session -t``, ``link-window``).
    Raises Unavailable for a stamp of a newer version of which not even the owner can be read.
    """
    views: dict[str, list[PaneRow]] = {}
    for row in rows:
        if row.start_command.startswith(STAMP):
            views.setdefault(row.pane_id, []).append(row)
    sessions = []
    for many in views.values():
        word = many[0].stamp
        if word is None:
            continue
        if (stamp := decode(word)) is not None:
            sessions.append(_session(stamp, many, environ, version))
        elif version_of(word) > VERSION:
            raise Unavailable(f"the pane {many[0].pane_id} {NEWER}", UPGRADE)
    sessions.sort(key=lambda session: (session.stamp.started, int(session.pane[1:])))
    return sessions


def _session(
    stamp: Stamp, views: list[PaneRow], environ: Mapping[str, str], version: Callable[[], str]
) -> ObservedSession:
    own = session_name(stamp.project, *stamp.key)
    row = next((view for view in views if view.session_name.startswith(own)), views[0])
    problem = next((view.problem for view in views if view.problem), "")
    unread = str(Garbage(problem).said_by(version())) if problem else ""
    if version_of(row.stamp or "") > VERSION:
        unread = f"it {NEWER}; {UPGRADE}"
    return ObservedSession(
        stamp,
        row.pane_id,
        row.session_name,
        _recorded(stamp, environ) if row.pane_pid is None else row.pane_pid,
        row.dead,
        row.dead_status,
        row.dead_signal,
        any(view.attached for view in views),
        row.in_mode,
        row.title,
        unread=unread,
    )


def _recorded(stamp: Stamp, environ: Mapping[str, str]) -> int | None:
    """The process that a session began as, where tmux does not tell it any more."""
    folder = existing_folder(state_root(environ), stamp.uid)
    return None if folder is None else _began_as(folder, stamp.session)


def _began_as(folder: str, session: str) -> int | None:
    try:
        return process_in(os.path.join(folder, PIDS, os.path.basename(session)))
    except OSError:
        return None


def survivor(folder: str, session: str) -> int | None:
    """The process that a session without a pane began as, if it still lives.

    ``folder``: of the project's history. A number can be given to another process.
    """
    pid = _began_as(folder, session)
    held = environment_of(pid).get("AGENTCAVE_SESSION_DIR") if pid is not None else None
    return pid if held == os.path.join(folder, "sessions", session) else None


def translated(exc: TmuxError) -> CaveError:
    """A tmux error as one of ours: what makes tmux unusable is exit code 69."""
    return Unavailable(str(exc), getattr(exc, "hint", None))
