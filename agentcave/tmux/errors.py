"""What can go wrong with tmux. Every message is a sentence for people."""


class TmuxError(Exception):
    """The root: tmux could not do what was asked."""


class TmuxMissing(TmuxError):
    """There is no such program."""

    def __init__(self, program: str) -> None:
        super().__init__(f"The program {program!r} was not found; install tmux 3.2a or newer.")
        self.program = program


class TmuxBroken(TmuxError):
    """There is such a program, and it does not run: a library or an interpreter lacks."""

    def __init__(self, program: str, why: str) -> None:
        super().__init__(
            f"The program {program!r} is installed and cannot start: {why or 'it gave no reason'}. "
            "Install it again, or what it lacks."
        )
        self.program = program


class TmuxTooOld(TmuxError):
    """The program lacks what we stand on."""

    def __init__(self, version: str) -> None:
        super().__init__(f"This is tmux {version}; 3.2a or newer is needed.")
        self.version = version


class NoServer(TmuxError):
    """Nothing listens on the socket: truly nothing there, not merely out of reach."""

    def __init__(self, socket: str) -> None:
        super().__init__(f"No tmux server runs on the socket {socket!r}.")
        self.socket = socket


class Unreachable(TmuxError):
    """The socket cannot be used, so what runs behind it is unknown."""

    def __init__(self, socket: str, why: str) -> None:
        super().__init__(f"The tmux server on the socket {socket!r} cannot be reached: {why}.")
        self.socket = socket


class ServerMismatch(TmuxError):
    """A server answers, but refuses this program: usually tmux was upgraded under it.

    Seen: servers from 3.6 on refuse programs before 3.6. ``pid`` is the server's and ``runs`` the
    path of its program, each empty when it is not known.
    """

    def __init__(self, socket: str, why: str, pid: int = 0, runs: str = "") -> None:
        who = f"The tmux server {pid}" if pid else "The tmux server"
        super().__init__(
            f"{who} on the socket {socket!r} refuses this tmux program ({why}): they are of "
            "different versions."
        )
        self.socket = socket
        there = runs and not runs.endswith(" (deleted)")
        use = f"put the program that it runs, {runs}, first in PATH" if there else ""
        end = f"`kill {pid}` ends it with its agents, and `up` starts them again" if pid else ""
        self.hint = ", or ".join(filter(None, (use, end))) or "use the program that started it"


class TmuxTimeout(TmuxError):
    """No answer within the deadline, in seconds."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"tmux did not answer {what!r} within {seconds:g} seconds.")
        self.what = what


class CommandFailed(TmuxError):
    """tmux refused one command; ``message`` is what it said."""

    def __init__(self, command: str, message: str) -> None:
        super().__init__(f"tmux refused {command!r}: {message}.")
        self.command = command
        self.message = message


class ServerGone(TmuxError):
    """The server died while it worked for us. What it had done by then is unknown."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The tmux server died while it worked: {why}.")


class Garbage(TmuxError):
    """What came back is not what tmux says, as far as it is known.

    ``version`` is what the tmux in question calls itself, "" when that is not known.
    """

    def __init__(self, what: str, version: str = "") -> None:
        who = f"tmux {version}" if version else "tmux"
        super().__init__(
            f"The answer of {who} is not understood: {what}. Is it a wrapper, or newer than this "
            "agentcave? Please report it with what `agentcave doctor` prints."
        )
        self.what = what

    def said_by(self, version: str) -> "Garbage":
        return Garbage(self.what, version)
