"""What lies where agents can write is read without trusting any of it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from caving import eventually
from plan_world import session

from agentcave.agents import demo, known_adapter
from agentcave.hosts import LocalHost, environment_of
from agentcave.hosts.processes import look
from agentcave.model.observed import ObservedSession
from agentcave.model.spec import ScreenRule
from agentcave.model.status import Activity
from agentcave.sessions.evidence import (
    GLANCE,
    Subject,
    judge_all,
    read,
    read_events,
    read_seen,
    screens,
)
from agentcave.tmux import Server

NO_SERVER = Server("/nonexistent/s")
IDLE = b'{"activity": "idle"}'


def live(kind: str = "demo", number: int = 1) -> ObservedSession:
    """A session whose process is this very one."""
    seen = session("api", number=number)
    return seen._replace(stamp=seen.stamp._replace(type=kind), pid=os.getpid())


def tell(folder: Path, data: bytes, kind: str = "status") -> Path:
    path = folder / f"{kind}.event"
    path.write_bytes(data)
    return path


def test_an_event_is_read_with_the_time_of_its_writing(tmp_path: Path) -> None:
    path = tell(tmp_path, IDLE)
    os.utime(path, (5.0, 1234.5))
    assert read_events(demo, str(tmp_path))["status"] == (1234.5, IDLE)


def test_only_the_kinds_that_an_agent_has_are_read(tmp_path: Path) -> None:
    tell(tmp_path, IDLE, "other")
    assert read_events(demo, str(tmp_path)) == {}
    assert read_events(demo, str(tmp_path / "gone")) == {}


def secret_link(path: Path) -> None:
    secret = path.parent.parent / "secret"
    secret.write_bytes(IDLE)
    path.symlink_to(secret)


def folder(path: Path) -> None:
    path.mkdir()
    (path / "status.event").write_bytes(IDLE)


UNTRUE: list[tuple[str, Callable[[Path], None]]] = [
    ("a link to a file", secret_link),
    ("a link to nothing", lambda path: path.symlink_to("nowhere")),
    ("a link to itself", lambda path: path.symlink_to(path.name)),
    ("a link to a device", lambda path: path.symlink_to("/dev/zero")),
    ("a pipe that nobody writes into", lambda path: os.mkfifo(path)),
    ("a folder", folder),
    ("a link to a folder", lambda path: path.symlink_to(path.parent)),
]


@pytest.mark.parametrize(("_what", "make"), UNTRUE, ids=[what for what, _ in UNTRUE])
def test_what_is_no_file_of_its_own_says_nothing(
    tmp_path: Path, _what: str, make: Callable[[Path], None]
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    make(own / "status.event")
    began = time.monotonic()
    assert read_events(demo, str(own)) == {}
    assert time.monotonic() - began < 1


def test_a_socket_says_nothing(tmp_path: Path) -> None:
    with TemporaryDirectory(prefix="acv-") as short:
        made = "import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])"
        subprocess.run([sys.executable, "-c", made, f"{short}/status.event"], check=True)
        assert read_events(demo, short) == {}


def test_of_a_huge_file_only_the_beginning_is_read(tmp_path: Path) -> None:
    path = tell(tmp_path, IDLE[:-1] + b', "reason": "')
    os.truncate(path, 1 << 40)
    began = time.monotonic()
    seen = read_events(demo, str(tmp_path))["status"]
    assert len(seen.data) == GLANCE
    assert time.monotonic() - began < 1


def test_a_huge_event_still_says_what_stands_at_its_beginning(tmp_path: Path) -> None:
    said = {"activity": "working", "reason": "x" * (2 * GLANCE)}
    tell(tmp_path, json.dumps(said).encode())
    found = judge_all(LocalHost(), NO_SERVER, [Subject(live(), str(tmp_path))])
    assert found["s1"].judgement.activity is Activity.WORKING


READ = """
import os, sys
from agentcave.agents import demo
from agentcave.sessions.evidence import read_events
if os.getuid() == 0:  # root may read everything
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
print(read_events(demo, sys.argv[1]))
"""


def test_what_another_user_keeps_to_himself_says_nothing() -> None:
    with TemporaryDirectory(prefix="acv-") as name:
        Path(name).chmod(0o755)
        tell(Path(name), IDLE).chmod(0o000)
        done = subprocess.run([sys.executable, "-c", READ, name], capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("{}\n", "")


def test_a_file_that_is_being_replaced_is_one_or_the_other(tmp_path: Path) -> None:
    tell(tmp_path, IDLE)
    assert read_seen(str(tmp_path / "status.event"), 4) == (
        (tmp_path / "status.event").stat().st_mtime,
        IDLE[:4],
    )
    assert read_seen(str(tmp_path / "gone"), 4) is None


def test_the_status_file_of_an_agent_is_that_of_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment is that which the agent began with, not ours."""
    own = tmp_path / "sessions"
    own.mkdir()
    child = subprocess.Popen(
        ["sleep", "60"], env={"PATH": os.environ["PATH"], "CLAUDE_CONFIG_DIR": str(tmp_path)}
    )
    try:
        eventually(lambda: environment_of(child.pid))  # empty while the program is being loaded
        process = look(child.pid)
        assert process is not None
        said = {"procStart": str(process.start), "status": "busy", "statusUpdatedAt": 5000}
        (own / f"{child.pid}.json").write_text(json.dumps(said))
        subject = Subject(live("claude")._replace(pid=child.pid), str(tmp_path))
        found = judge_all(LocalHost(), NO_SERVER, [subject])
        assert found["s1"].judgement.activity is Activity.WORKING

        said["procStart"] = str(process.start - 1)
        (own / f"{child.pid}.json").write_text(json.dumps(said))
        claims = known_adapter("claude").claims(read(subject))
        assert [claim.source for claim in claims] == ["process"]
    finally:
        child.kill()
        child.wait()


def test_a_process_that_is_gone_says_nothing(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    evidence = read(Subject(live("claude")._replace(pid=gone.pid), str(tmp_path)))
    assert (evidence.live, evidence.ticks) == (None, None)


def test_without_a_better_source_the_screen_is_not_missed_where_no_rule_reads_it(
    tmp_path: Path,
) -> None:
    found = judge_all(LocalHost(), NO_SERVER, [Subject(live("command"), str(tmp_path))])
    assert found["s1"].judgement.activity is Activity.UNKNOWN


def test_an_agent_of_another_version_is_read_as_any_program(tmp_path: Path) -> None:
    tell(tmp_path, IDLE)
    found = judge_all(LocalHost(), NO_SERVER, [Subject(live("of-the-future"), str(tmp_path))])
    assert found["s1"].judgement.activity is Activity.IDLE


class Bench:
    """A private server with panes that show something."""

    def __init__(self, home: str) -> None:
        self.server, self.host = Server(f"{home}/s"), LocalHost()
        self.environ = {"PATH": os.environ["PATH"], "HOME": home, "LANG": "C.UTF-8"}

    def tmux(self, *words: str) -> str:
        done = self.host.read(self.server.argv(*words), environment=self.environ)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    def pane(self, text: str, number: int) -> ObservedSession:
        show = f"printf '%s\\n' '{text}'; exec sleep 60"
        words = ("new-session", "-d", "-P", "-F", "#{pane_id}", "sh", "-c", show)
        return live("command", number)._replace(pane=self.tmux(*words))


@pytest.fixture
def bench() -> object:
    with TemporaryDirectory(prefix="acv-") as home:
        made = Bench(home)
        yield made
        made.host.read(made.server.argv("kill-server"), environment=made.environ)


def eventually_shows(bench: Bench, *panes: ObservedSession) -> dict[str, str]:
    deadline = time.monotonic() + 10
    while not all(text := (found := dict(screens(bench.host, bench.server, panes))).values()):
        assert time.monotonic() < deadline, text
        time.sleep(0.02)
    return found


def test_screens_are_those_of_their_panes_and_of_those_that_are_there(bench: Bench) -> None:
    panes = [bench.pane(f"screen {number} ü", number) for number in (1, 2, 3)]
    found = eventually_shows(bench, *panes)
    assert {key: text.strip() for key, text in found.items()} == {
        f"s{number}": f"screen {number} ü" for number in (1, 2, 3)
    }
    bench.tmux("kill-pane", "-t", panes[1].pane)
    left = screens(bench.host, bench.server, panes)
    assert sorted(left) == ["s1", "s3"]
    assert left["s3"].strip() == "screen 3 ü"


def test_without_panes_or_without_a_server_nothing_is_started_and_nothing_shown(
    tmp_path: Path,
) -> None:
    missing = Server(str(tmp_path / "s"))
    assert screens(LocalHost(), missing, []) == {}
    assert screens(LocalHost(), missing, [live()]) == {}
    assert not (tmp_path / "s").exists()


def test_a_screen_is_looked_at_only_where_nothing_better_speaks(
    bench: Bench, tmp_path: Path
) -> None:
    pane = bench.pane("May I delete it? (y/n)", 1)
    eventually_shows(bench, pane)
    subject = Subject(pane, str(tmp_path), (ScreenRule("approval", r"^May I (.*)\?"),))
    told = judge_all(bench.host, bench.server, [subject])["s1"].judgement
    assert (told.activity, told.reason) == (Activity.APPROVAL, "delete it")

    tell(tmp_path, IDLE)
    told = judge_all(bench.host, bench.server, [subject])["s1"].judgement
    assert (told.activity, told.doubts) == (Activity.IDLE, ())
    told = judge_all(bench.host, bench.server, [subject], every_screen=True)["s1"].judgement
    assert told.activity is Activity.IDLE
    assert [doubt.activity for doubt in told.doubts] == [Activity.APPROVAL]
