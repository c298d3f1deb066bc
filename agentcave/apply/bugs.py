"""What no step should raise: told as its failure, the traceback kept for whoever mends it."""

import os
import traceback

from agentcave.errors import CaveError
from agentcave.hosts import LocalHost
from agentcave.hosts.limits import leaves, shortage
from agentcave.model.hashing import sha256_hex


def reason(exc: Exception, folder: str) -> str:
    """Why something was not done. A bug's traceback goes into ``folder``, once for each bug."""
    if isinstance(exc, CaveError):
        return str(exc)
    if (short := shortage(exc)) is not None:
        return short
    if isinstance(exc, OSError):
        return f"{exc.filename}: {exc.strerror}" if exc.filename else str(exc.strerror or exc)
    return f"bug: {type(exc).__name__} ({_kept(exc, folder)})"


def reason_to_tell(exc: Exception, folder: str) -> str:
    """The same for a controller; raises it again when whoever it tells has gone (EPIPE)."""
    if any(isinstance(one, BrokenPipeError) for one in leaves(exc)):
        raise exc
    return reason(exc, folder)


def _kept(exc: Exception, folder: str) -> str:
    text = "".join(traceback.format_exception(exc)).encode(errors="backslashreplace")
    path = os.path.join(folder, f"bug-{sha256_hex(text)[:8]}.txt")
    try:
        LocalHost().write_file(path, text)
    except CaveError as trouble:
        return f"its traceback could not be saved: {trouble}"
    return f"please report it with its traceback: {path}"
