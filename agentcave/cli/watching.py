"""``--watch`` of read-only commands: the same output again and again."""

import signal
import sys
import time
from collections.abc import Callable

INTERVAL = 1.0


def repeat(show: Callable[[], int]) -> int:
    """Show until interrupted; on a terminal the screen is cleared between."""
    try:
        while True:
            if sys.stdout.isatty():
                print("\x1b[H\x1b[2J", end="")
            show()
            sys.stdout.flush()
            time.sleep(INTERVAL)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
