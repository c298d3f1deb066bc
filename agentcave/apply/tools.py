"""What a pass works with."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from agentcave.hosts import Host
from agentcave.model.desired import Desired
from agentcave.model.observed import Observed, SeedRecord
from agentcave.plan.digest import DigestKey
from agentcave.sessions import SessionManager
from agentcave.sessions.elsewhere import Elsewhere, Seat
from agentcave.state import State


class Tools(NamedTuple):
    """``seeds``: what history knows of the context files. ``timeout`` (seconds) bounds each wait
    for a completed dependency and the making of each workspace. ``clock``: seconds since the epoch.
    ``elsewhere``: the agents behind other sockets; blocking.
    """

    host: Host
    sessions: SessionManager
    state: State
    environ: Mapping[str, str]
    desired: Desired
    observed: Observed
    seeds: Mapping[str, Mapping[str, SeedRecord]]
    key: DigestKey
    timeout: float = 600.0
    clock: Callable[[], float] = time.time
    elsewhere: Callable[[], Mapping[Seat, Elsewhere]] = dict
