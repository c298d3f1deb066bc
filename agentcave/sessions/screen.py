"""What a captured screen says. Pure."""

EPITAPH = "Pane is dead ("
SCROLLED_BY_NOTE = 1
"""Lines of a screen that tmux moves into the history for its note on a dead pane (3.3a to 3.8)."""


def screen_text(captured: str, *, dead: bool) -> str:
    """The text without what tmux adds: empty lines below it, and its note on a dead pane."""
    lines = captured.rstrip().split("\n")
    if dead and lines[-1].startswith(EPITAPH):
        lines.pop()
    return "\n".join(lines).rstrip("\n")
