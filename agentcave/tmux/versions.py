"""Which tmux this is, and what it can."""

from typing import NamedTuple

from agentcave.tmux.errors import Garbage, TmuxTooOld


class Version(NamedTuple):
    """Ordered: 3.2 < 3.2a < 3.3. A build without a number counts as newer than all."""

    major: int
    minor: int
    letter: str = ""

    @property
    def pastes_raw(self) -> bool:
        """From 3.7 on, paste-buffer rewrites control characters unless told -S."""
        return self >= (3, 7)

    @property
    def reports_deaths(self) -> bool:
        """Before 3.6, with libutempter, the status of a death may be missing until a SIGCHLD."""
        return self >= (3, 6)


OLDEST = Version(3, 2, "a")
_NEWEST = Version(999, 0)


def parse_version(text: str) -> Version:
    """What ``tmux -V`` or ``#{version}`` prints. Raises ``Garbage``, and ``TmuxTooOld``."""
    word = text.strip().removeprefix("tmux ")
    version = _NEWEST if word == "master" or word.startswith("openbsd-") else _numbered(word)
    if version < OLDEST:
        raise TmuxTooOld(word)
    return version


def _numbered(word: str) -> Version:
    major, _, rest = word.removeprefix("next-").partition(".")
    minor = rest.rstrip("abcdefghijklmnopqrstuvwxyz")
    letter = rest[len(minor) :].partition("-")[0]
    minor = minor.partition("-")[0]
    if not (major.isdecimal() and minor.isdecimal()):
        raise Garbage(f"it calls its version {word[:80]!r}")
    return Version(int(major), int(minor), letter)
