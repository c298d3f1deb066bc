"""The fixtures of private worlds (tests/support/worlds.py)."""

from worlds import cave, on_terminal, world

__all__ = ["cave", "on_terminal", "world"]
