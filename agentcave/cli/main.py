"""The entry point and the error boundary: the only place that turns errors into exit codes."""

import errno
import gc
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from agentcave.errors import CaveError, Unavailable, UsageError

EX_SOFTWARE = 70
_terminations: list[int] = []
NOT_OURS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN),
)
"""What goes wrong on a machine, wherever in the program it is met."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. No traceback gets past this."""
    gc.set_threshold(100_000, 20, 20)  # looking for cycles while importing is a tenth of `ps`
    try:
        _ready_streams()
        return _guarded(list(sys.argv[1:] if argv is None else argv))
    finally:
        _let_go()


def _guarded(argv: list[str]) -> int:
    try:
        signal.signal(signal.SIGTERM, _terminated)
        _forget_ignored()
        code = _dispatch(argv)
        sys.stdout.flush()
        return code
    except CaveError as exc:
        _complain(str(exc))
        return exc.exit_code
    except BrokenPipeError:
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        if _terminations:
            return 128 + signal.SIGTERM
        _complain("interrupted; run the same command again to go on")
        return 128 + signal.SIGINT
    except Exception as exc:
        from agentcave.hosts.limits import shortage

        if (short := shortage(exc)) is not None:
            _complain(f"cannot go on: {short} (raise that, or end something, then run it again)")
            return CaveError.exit_code
        if isinstance(exc, OSError) and exc.errno in NOT_OURS:
            where = f"{exc.filename}: " if exc.filename else ""
            _complain(f"cannot go on: {where}{exc.strerror} (mend that, then run it again)")
            return CaveError.exit_code
        return _bug(exc)


def _forget_ignored() -> None:
    """A caller hands on what it ignores: a script, SIGINT to what it begins in the background.

    SIGTERM goes the way of SIGINT here, and neither may reach agents as ignored.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _ready_streams() -> None:
    """A closed standard stream is replaced, lest a file take its number and our text.

    What the locale cannot show is spelled out.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))  # noqa: SIM115 - open as long as we are
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _dispatch(argv: list[str]) -> int:
    from agentcave.cli import parser

    verb, words = parser.split(argv)
    if verb is None and "--version" in words:
        verb, words = "version", []
    if verb is None or verb == "help":
        asked = verb == "help" or not words or {"-h", "--help"} & set(words)
        if not asked:
            raise UsageError("a command is missing", "`agentcave --help` lists them")
        print(parser.overview())
        return 0
    if verb == "demo-agent":
        from agentcave.demo_agent import main as demo_agent

        return demo_agent(words)
    if verb not in parser.VERBS:
        from difflib import get_close_matches

        near = get_close_matches(verb, parser.VERBS, 1)
        hint = f"did you mean {near[0]}?" if near else "`agentcave --help` lists them"
        raise UsageError(f"there is no command {verb!r}", hint)
    if sys.platform != "linux" and verb != "version":
        what = f"only Linux is supported, and this is {sys.platform}"
        raise Unavailable(what, "use it in a virtual machine or on a Linux server")
    try:
        args = parser.parse(verb, words)
    except SystemExit:  # argparse, after --help
        return 0
    return parser.verb_module(verb).run(args)


def _terminated(number: int, frame: FrameType | None) -> None:
    """SIGTERM goes the way of Ctrl-C, which an event loop knows: a pass is cancelled, not torn."""
    _terminations.append(number)
    if len(_terminations) > 1:  # we are ending, and may have come as far as Python's own end
        return
    interrupt = signal.getsignal(signal.SIGINT)
    if not callable(interrupt):
        raise KeyboardInterrupt
    interrupt(signal.SIGINT, frame)


def _complain(text: str) -> None:
    from agentcave.report.text import plain

    try:
        print(f"agentcave: {plain(text)}", file=sys.stderr)
    except (OSError, ValueError):
        return  # there is nobody left to tell


def _bug(exc: Exception) -> int:
    """Save the traceback where the user can find it, and say so."""
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(exc))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="agentcave-bug-", suffix=".txt", delete=False
        ) as file:
            file.write(f"{' '.join(sys.argv[:2])}\n{text}")
        where = file.name
    except OSError as error:
        where = f"could not be saved: {error.strerror}; {exc}"
    _complain(f"this is a bug in agentcave: {type(exc).__name__} (details: {where})")
    return EX_SOFTWARE


def _let_go() -> None:
    """A reader that went away (`| head -1`) must not turn the interpreter's exit into an error."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
