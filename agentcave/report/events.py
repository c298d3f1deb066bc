"""An event of the history as one line for people."""

import time
from collections.abc import Mapping
from typing import Any

from agentcave.report.text import one_line


def event_text(event: Mapping[str, Any]) -> str:
    """Its local time, what it was about, what was done, and what came of it."""
    at = time.strftime("%H:%M:%S", time.localtime(event["at"]))
    about = "/".join(filter(None, (event["cave"], event["agent"])))
    why = ": ".join(filter(None, (event["cause"], event["error"])))
    words = filter(None, (at, about, event["action"], event["outcome"], why))
    return one_line(" ".join(words))
