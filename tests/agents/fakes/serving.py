"""The server under every fake API: requests are kept for the test, refusals can be ordered."""

import itertools
import json
import math
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

WORD_EVERY = 0.1


class Request(NamedTuple):
    """``at``: when it came, in seconds since the epoch. Names of headers are lower case."""

    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class Reply(NamedTuple):
    """``content`` is sent as it comes, with its length only when it is bytes."""

    status: int = 200
    headers: Mapping[str, str] = {}
    content: bytes | Iterable[bytes] = b""


class Refusal(NamedTuple):
    status: int
    message: str = ""
    headers: Mapping[str, str] = {}


class Question(Protocol):
    """One question to a model, as each protocol tells of it."""

    @property
    def said(self) -> tuple[str, ...]:
        """Every text of the user so far."""


AnyTurn = TypeVar("AnyTurn", bound=Question)


class FakeApi(ABC, Generic[AnyTurn]):
    """Listens on a free port of 127.0.0.1 inside ``with``; a protocol says how to answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._owed: list[Refusal] = []
        self._spent: Counter[str] = Counter()
        self._hurried = 0.0
        self.numbers = itertools.count(1)
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._hurried = math.inf
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # -- of a protocol -------------------------------------------------------------------------

    @abstractmethod
    def answer(self, request: Request) -> Reply:
        """How it answers."""

    @abstractmethod
    def turns(self) -> list[AnyTurn]:
        """What the model was asked in the conversation itself; titles and the like left out."""

    # -- for tests -----------------------------------------------------------------------------

    def requests(self) -> list[Request]:
        """Every request so far, the oldest first."""
        with self._lock:
            return [*self._requests]

    def refuse(
        self, status: int, times: int = 1, message: str = "", **headers: str | int | float
    ) -> None:
        """Refuse what the agent asks next; ``retry_after=5`` is the header of that name."""
        named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        with self._lock:
            self._owed = [Refusal(status, message or f"fake {status}", named)] * times

    def accept(self) -> None:
        """Refuse nothing any more."""
        with self._lock:
            self._owed = []

    def hurry(self) -> None:
        """End the slow answers to all that was asked until now."""
        self._hurried = time.time()

    # -- for protocols -------------------------------------------------------------------------

    def keep(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)

    def owed(self) -> Refusal | None:
        """The refusal that a request gets now, if there is one."""
        with self._lock:
            return self._owed.pop() if self._owed else None

    def refused_by(self, prompt: str, argument: str) -> Refusal | None:
        """The same for the directive ``status CODE TIMES`` of a prompt."""
        code, _, times = argument.partition(" ")
        with self._lock:
            self._spent[prompt] += 1
            if self._spent[prompt] > int(times or 1):
                return None
        return Refusal(int(code), f"fake {code}")

    def words(self, request: Request, seconds: float) -> Iterator[str]:
        """Words for a slow answer, one at a time."""
        number = 0
        while self._hurried < request.at and time.time() < request.at + seconds:
            yield f"word{number} "
            number += 1
            time.sleep(WORD_EVERY)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: FakeApi[Any]

    def log_message(self, format: str, *args: object) -> None:
        """The tests tell what came; the terminal stays quiet."""

    def do_HEAD(self) -> None:
        self._reply(Reply())

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            body = json.loads(data or b"{}")
        except ValueError:
            body = {"raw": data.decode("utf-8", "replace")}
        self._answer(body if isinstance(body, dict) else {"raw": body})

    def _answer(self, body: Mapping[str, Any]) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(time.time(), self.command, self.path, headers, body)
        self.api.keep(request)
        self._reply(self.api.answer(request))

    def _reply(self, reply: Reply) -> None:
        whole = reply.content if isinstance(reply.content, bytes) else None
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if whole is None:
            self.send_header("connection", "close")
            self.close_connection = True
        else:
            self.send_header("content-length", str(len(whole)))
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):  # an agent that was interrupted
            for chunk in reply.content if whole is None else [whole]:
                self.wfile.write(chunk)  # type: ignore[arg-type]  # bytes, either way
                self.wfile.flush()


def json_reply(value: object, status: int = 200, headers: Mapping[str, str] = {}) -> Reply:
    return Reply(
        status, {**headers, "content-type": "application/json"}, json.dumps(value).encode()
    )
