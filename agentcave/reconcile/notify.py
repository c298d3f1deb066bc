"""Telling a service manager how we are: sd_notify(3), when its environment asks for it."""

import contextlib
import socket
from collections.abc import Mapping


def notify(environ: Mapping[str, str], *lines: str) -> None:
    """Nobody has to listen: whatever goes wrong with it is the manager's business."""
    path = environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path
    text = "\n".join(line.replace("\n", " ") for line in lines)
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as client,
        contextlib.suppress(OSError),
    ):
        client.sendto(text.encode(), address)
