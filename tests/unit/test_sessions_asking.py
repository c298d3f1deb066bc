"""APIs of agents, good and bad, on 127.0.0.1."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from agentcave.agents import Ask
from agentcave.sessions.asking import DEADLINE, HEAD, ask_all

JSON = "application/json"
Serve = Callable[..., int]


class Server(ThreadingHTTPServer):
    request_queue_size = 200


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers that give one answer; the port of each."""
    servers: list[ThreadingHTTPServer] = []

    def start(body: bytes, kind: str = JSON, code: int = 200, login: str = "") -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                known = self.headers.get("Authorization", "") == login
                self.send_response(code if known else 401)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(body + self.path.encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = Server(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, args=(0.01,)).start()
        servers.append(server)
        return server.server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def mute() -> Iterator[int]:
    """The port of somebody who takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def answers(*asks: Ask, limit: int = 1000) -> dict[str, bytes]:
    found = ask_all({"s": asks}, limit)["s"]
    return {name: seen.data for name, seen in found.items()}


def test_an_answer_is_as_old_as_now(serve: Serve) -> None:
    before = time.time()
    seen = ask_all({"s": [Ask("status", serve(b"{}"), "/a?b=c")]}, 1000)["s"]["status"]
    assert seen.data == b"{}/a?b=c"
    assert before <= seen.at <= time.time()


def test_many_sessions_are_asked_many_things(serve: Serve) -> None:
    one, other = serve(b"1"), serve(b"2")
    asks = {"a": [Ask("x", one, "/x"), Ask("y", one, "/y")], "b": [Ask("x", other, "/x")], "c": []}
    found = ask_all(asks, 1000)
    told = {key: {name: seen.data for name, seen in many.items()} for key, many in found.items()}
    assert told == {"a": {"x": b"1/x", "y": b"1/y"}, "b": {"x": b"2/x"}, "c": {}}


def test_headers_are_sent(serve: Serve) -> None:
    port = serve(b"{}", login="Basic eDp5")
    assert answers(
        Ask("in", port, "/", {"Authorization": "Basic eDp5"}), Ask("out", port, "/")
    ) == {"in": b"{}/"}


@pytest.mark.parametrize(
    ("kind", "code"), [("text/html", 200), (JSON, 404), (JSON, 500), ("text/html", 401)]
)
def test_what_is_no_json_or_no_success_is_no_answer(serve: Serve, kind: str, code: int) -> None:
    assert answers(Ask("status", serve(b"{}", kind, code), "/")) == {}


def test_a_long_answer_is_none(serve: Serve) -> None:
    assert answers(Ask("status", serve(b"x" * 999), "/")) == {"status": b"x" * 999 + b"/"}
    assert answers(Ask("status", serve(b"x" * 1000), "/")) == {}
    assert answers(Ask("status", serve(b"x" * (HEAD + 100_000)), "/")) == {}


def test_who_never_ends_is_left_at_the_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        babbler = Thread(target=babble, args=(listening,))
        babbler.start()
        began = time.monotonic()
        assert answers(Ask("status", listening.getsockname()[1], "/")) == {}
        assert time.monotonic() - began < DEADLINE / 2
        babbler.join()


def babble(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection, contextlib.suppress(OSError):
        while True:
            connection.sendall(b"HTTP/1.1 200 OK\r\n" * 100)


def test_who_refuses_is_left_out_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    began = time.monotonic()
    assert answers(Ask("status", port, "/")) == {}
    assert time.monotonic() - began < DEADLINE / 2


def test_who_is_silent_costs_all_together_one_deadline(serve: Serve, mute: int) -> None:
    port, began = serve(b"{}"), time.monotonic()
    asks = [Ask(str(number), mute, "/") for number in range(50)]
    assert answers(*asks, Ask("status", port, "/")) == {"status": b"{}/"}
    assert DEADLINE <= time.monotonic() - began < 2 * DEADLINE


def test_many_answers_come_in_the_time_of_few(serve: Serve) -> None:
    port = serve(b"{}")
    asks = {str(number): [Ask("status", port, "/")] for number in range(100)}
    found = ask_all(asks, 1000)
    assert all(many["status"].data == b"{}/" for many in found.values())
