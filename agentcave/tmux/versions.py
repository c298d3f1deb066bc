"""Which tmux this is, and what its versions do differently: measured, never read off a changelog.

``QUIRKS`` is the one table; docs/internals/tmux.md holds the same with what follows from each, and
a test keeps the two together. Code asks a version for its quirk and compares no numbers.
"""

from typing import NamedTuple

from agentcave.tmux.errors import Garbage, TmuxTooOld


class Version(NamedTuple):
    """Ordered: 3.2 < 3.2a < 3.3. A build without a number counts as newer than all."""

    major: int
    minor: int
    letter: str = ""

    def __str__(self) -> str:
        return (
            "without a number" if self == UNNUMBERED else f"{self.major}.{self.minor}{self.letter}"
        )

    def has(self, quirk: "Quirk") -> bool:
        return quirk.first <= self and (quirk.last is None or self <= quirk.last)

    @property
    def is_newer_than_seen(self) -> bool:
        return self > NEWEST_SEEN


class Quirk(NamedTuple):
    """What versions ``first`` to ``last`` do (None: all later ones).

    ``seen``: where it was measured. Between a version that does and one that does not, the border
    is put where it does no harm to be wrong.
    """

    name: str
    first: Version
    last: Version | None
    seen: tuple[str, ...]


OLDEST = Version(3, 2, "a")
UNNUMBERED = Version(999, 0)
TESTED = ("3.3a", "3.5a", "3.7c", "3.8")
"""The versions that the whole suite ran on (docs/testing.md)."""
NEWEST_SEEN = Version(3, 8)

DEATHS_LOST = Quirk("deaths-lost", OLDEST, Version(3, 5, "z"), ("3.3a",))
"""Linked with libutempter, it may miss how a pane ended until a SIGCHLD (tmux issue 4559)."""
ESCAPES_CONTROLS = Quirk("escapes-controls", Version(3, 4), Version(3, 6, "z"), ("3.5a",))
"""Control characters come as \\ooo in what commands print, backslashes as they are."""
REFUSES_OLDER = Quirk("refuses-older", Version(3, 6), None, ("3.7c", "3.8"))
"""A server closes the connection of a program before 3.6 without a word."""
VIEWER_REFUSES_KEYS = Quirk("viewer-refuses-keys", Version(3, 6), None, ("3.7c", "3.8"))
"""send-keys without -c fails while any client is attached read-only, to whatever session."""
PASTE_REWRITES = Quirk("paste-rewrites", Version(3, 7), None, ("3.7c", "3.8"))
"""paste-buffer makes ``^A`` of control characters unless told -S, which older ones do not know."""
KEEPS_NAMES = Quirk("keeps-names", Version(3, 7), None, ("3.7c", "3.8"))
"""``a.b`` and ``a:b`` are names of sessions; before, both became ``a_b``."""
FORGETS_PROCESS = Quirk("forgets-process", Version(3, 8), None, ("3.8",))
"""``pane_pid`` of a dead pane is empty."""
QUIRKS = (
    *(DEATHS_LOST, ESCAPES_CONTROLS, REFUSES_OLDER, VIEWER_REFUSES_KEYS),
    *(PASTE_REWRITES, KEEPS_NAMES, FORGETS_PROCESS),
)


def parse_version(text: str) -> Version:
    """What ``tmux -V`` or ``#{version}`` prints. Raises ``Garbage``, and ``TmuxTooOld``."""
    word = text.strip().removeprefix("tmux ")
    version = UNNUMBERED if word == "master" or word.startswith("openbsd-") else _numbered(word)
    if version < OLDEST:
        raise TmuxTooOld(word)
    return version


def _numbered(word: str) -> Version:
    major, _, rest = word.removeprefix("next-").partition(".")
    minor = rest.rstrip("abcdefghijklmnopqrstuvwxyz")
    letter = rest[len(minor) :].partition("-")[0]
    minor = minor.partition("-")[0]
    if not (major.isdecimal() and minor.isdecimal() and len(word) < 40):
        raise Garbage(f"it calls its version {word[:80]!r}")
    return Version(int(major), int(minor), letter)
