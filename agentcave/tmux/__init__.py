"""A driver for tmux that stands alone: it knows tmux, and nothing about caves.

``client`` is imported by name (``agentcave.tmux.client``): it needs an event loop, and the
read of all panes does not.
"""

from agentcave.tmux.errors import CommandFailed as CommandFailed
from agentcave.tmux.errors import Garbage as Garbage
from agentcave.tmux.errors import NoServer as NoServer
from agentcave.tmux.errors import ServerGone as ServerGone
from agentcave.tmux.errors import ServerMismatch as ServerMismatch
from agentcave.tmux.errors import TmuxBroken as TmuxBroken
from agentcave.tmux.errors import TmuxError as TmuxError
from agentcave.tmux.errors import TmuxMissing as TmuxMissing
from agentcave.tmux.errors import TmuxTimeout as TmuxTimeout
from agentcave.tmux.errors import TmuxTooOld as TmuxTooOld
from agentcave.tmux.errors import Unreachable as Unreachable
from agentcave.tmux.formats import PaneRow as PaneRow
from agentcave.tmux.formats import deaths_unknown as deaths_unknown
from agentcave.tmux.formats import stamp_word as stamp_word
from agentcave.tmux.server import Server as Server
from agentcave.tmux.server import check_version as check_version
from agentcave.tmux.server import interpret as interpret
from agentcave.tmux.server import lent_names as lent_names
from agentcave.tmux.server import parse_panes as parse_panes
from agentcave.tmux.server import scrubbed as scrubbed
from agentcave.tmux.versions import Version as Version
