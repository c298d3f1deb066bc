"""What agents answer that have an API of their own on this machine, asked all at once.

Blocking code with plain sockets: an event loop and urllib would cost ``ps`` more than the answers
(opencode: 3 ms to 8 ms each). Whoever listens there is not trusted: bounded in time and size.
"""

import contextlib
import select
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from agentcave.agents import Ask, Seen

if TYPE_CHECKING:
    from socket import socket

HOST = "127.0.0.1"
DEADLINE = 1.0
HEAD = 1 << 14
"""Bytes that may stand before an answer."""
CHUNK = 1 << 16


def ask_all(asks: Mapping[str, Sequence[Ask]], limit: int) -> dict[str, dict[str, Seen]]:
    """What was answered as JSON, by the key of the asks and their names.

    What is refused, late, longer than ``limit`` or no JSON is left out.
    """
    calls = [_Call(key, ask, limit) for key, many in asks.items() for ask in many]
    try:
        _converse({call.descriptor: call for call in calls if call.is_open})
    finally:
        for call in calls:
            call.close()
    found: dict[str, dict[str, Seen]] = {key: {} for key in asks}
    for call in calls:
        if (answer := call.answer()) is not None:
            found[call.key][call.ask.name] = answer
    return found


def _converse(calls: dict[int, "_Call"]) -> None:
    poll, deadline = select.poll(), time.monotonic() + DEADLINE
    for descriptor in calls:
        poll.register(descriptor, select.POLLOUT)
    while calls and (left := deadline - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(left * 1000):
            call = calls[descriptor]
            call.proceed()
            if call.is_open:
                poll.modify(descriptor, select.POLLOUT if call.request else select.POLLIN)
            else:
                poll.unregister(descriptor)
                del calls[descriptor]


class _Call:
    """One request and as much of its answer as has come. ``request``: what is left to send."""

    def __init__(self, key: str, ask: Ask, limit: int) -> None:
        from socket import socket  # only whoever asks pays for it

        self.key, self.ask, self.limit = key, ask, limit
        self.request = _request(ask)
        self._got = bytearray()
        self._at: float | None = None
        self._socket: socket | None = socket()
        self.descriptor = self._socket.fileno()
        self._socket.setblocking(False)
        self._socket.connect_ex((HOST, ask.port))  # a refusal shows when it is written to

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    def proceed(self) -> None:
        """Send or receive what can be without waiting; closed when there is no more to come."""
        if self._socket is None:
            return
        try:
            if self.request:
                self.request = self.request[self._socket.send(self.request) :]
            elif not self._receive(self._socket):
                self.close()
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def _receive(self, socket: "socket") -> bool:
        """Whether there may be more. The end of the connection is that of the answer."""
        chunk = socket.recv(CHUNK)
        self._got += chunk
        if not chunk:
            self._at = time.time()
        return bool(chunk) and len(self._got) <= self.limit + HEAD

    def close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def answer(self) -> Seen | None:
        head, end, body = bytes(self._got).partition(b"\r\n\r\n")
        status, *lines = head.lower().split(b"\r\n")
        is_json = any(line.startswith(b"content-type: application/json") for line in lines)
        if self._at is None or not end or len(body) > self.limit or not is_json:
            return None
        return Seen(self._at, body) if status.split()[1:2] == [b"200"] else None


def _request(ask: Ask) -> bytes:
    """HTTP/1.0, so that the answer comes in one piece and ends with the connection."""
    headers = {"Host": f"{HOST}:{ask.port}", "Connection": "close", **ask.headers}
    lines = [f"GET {ask.path} HTTP/1.0", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join((*lines, "", "")).encode()
