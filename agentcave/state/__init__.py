"""History of one project: counters, intentions, records and events, in one SQLite file.

Losing it may cost counters and logs, never work and never a second agent: the truth about what
lives is on the panes (model/observed.py, ``Stamp``).
"""

from agentcave.state.store import ENDED, State, open_state, read_state

__all__ = ["ENDED", "State", "open_state", "read_state"]
