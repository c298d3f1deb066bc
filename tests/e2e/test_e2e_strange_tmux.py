"""A tmux that cannot start, is none, greets, is old, or is newer than any that was seen."""

import base64
import json
import os
import shutil
import signal

import pytest
from caving import Cave, eventually, finish

TWO = """\
version: 1
name: shop
caves:
  api:
    agents:
      shell: {type: command, command: [sleep, infinity]}
  web:
    agents:
      shell: {type: command, command: [sleep, infinity]}
"""
REAL = shutil.which("tmux")
LIBRARY = "tmux: error while loading shared libraries: libjemalloc.so.2: cannot open"


def talks_of(cave: Cave, edit: str) -> str:
    """A PATH on which tmux is the real one, and what it prints of panes is edited by sed."""
    return cave.program(
        "tmux",
        f'case "$*" in *list-panes*) {REAL} "$@" | sed -E \'{edit}\' ;; '
        f'*source-file*) {REAL} "$@" | sed -E \'{edit}\' ;; *) exec {REAL} "$@" ;; esac',
    )


def calls_itself(cave: Cave, version: str) -> str:
    """A PATH on which the program gives another version than its server does."""
    return cave.program(
        "tmux", f'[ "$1" = -V ] && {{ echo "tmux {version}"; exit; }}; exec {REAL} "$@"'
    )


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (f"echo '{LIBRARY}' >&2; exit 127", "cannot start: tmux: error while loading"),
        ("exit 126", "is installed and cannot start"),
        ("kill -ILL $$", "is installed and cannot start"),
        ("echo screen 4.09", "it printed 'screen 4.09"),
        (f'[ "$1" = -V ] && exec echo hello; exec {REAL} "$@"', "its version 'hello'"),
        (f'echo Welcome; exec {REAL} "$@"', "Welcome"),
        (
            f'[ "$1" = -V ] && exec echo tmux 3.1c; exec {REAL} "$@"',
            "3.2a or newer is needed",
        ),
    ],
)
def test_a_program_that_will_not_do_is_told_by_what_it_said(
    cave: Cave, script: str, said: str
) -> None:
    path = cave.program("tmux", script)
    assert said in cave.up(code=69, PATH=path).err
    cave.run("doctor", code=69, PATH=path)
    assert cave.agents() == {}
    cave.up()


@pytest.mark.parametrize("version", ["next-3.9", "3.6b", "3.9", "4.0-rc", "openbsd-7.9", "master"])
def test_versions_that_nobody_has_seen_are_worked_with(cave: Cave, version: str) -> None:
    path = calls_itself(cave, version)
    cave.up(PATH=path)
    assert list(cave.agents()) == ["shop/api/shell"]
    cave.run("stop", "api", "-f", "caves.yaml", PATH=path)
    cave.run("down", "-f", "caves.yaml", PATH=path)
    assert cave.agents() == {}


def test_doctor_warns_of_a_version_that_is_newer_than_any_that_was_seen(cave: Cave) -> None:
    found = cave.run("doctor", "--json", PATH=calls_itself(cave, "next-9.9")).json
    (told,) = [one for one in found if one["verdict"] == "warn" and one["what"] == "tmux"]
    assert told["text"].startswith("9.9 (")
    assert "newer than any" in told["text"]


def test_a_pane_that_is_not_understood_is_one_agent_that_is_out_of_reach(cave: Cave) -> None:
    cave.declare(TWO)
    cave.up()
    before = cave.agents()
    path = talks_of(cave, r"s/^(\$[0-9]+ %[0-9]+ [0-9]+) 0 (.*shop\/api)/\1 maybe \2/")
    rows = json.loads(cave.run("ps", "-f", "caves.yaml", "--json", PATH=path).out)["sessions"]
    assert {row["cave"]: row["phase"] for row in rows} == {"api": "unreachable", "web": "running"}
    (api,) = [row for row in rows if row["cave"] == "api"]
    assert "pane_dead is 'maybe'" in api["reason"]
    assert "tmux 3" in api["reason"]
    refused = cave.up(code=1, PATH=path)
    assert "pane_dead is 'maybe'" in refused.err + refused.out
    assert "pane_dead" in cave.run("stop", "api", "-f", "caves.yaml", code=1, PATH=path).err
    cave.run("restart", "web", "-f", "caves.yaml", PATH=path)
    after = cave.agents()
    assert after["shop/api/shell"] == before["shop/api/shell"]
    assert after["shop/web/shell"].pid != before["shop/web/shell"].pid
    assert "pane_dead" in cave.run("doctor", code=69, PATH=path).out
    cave.run("down", "-f", "caves.yaml", code=1, PATH=path)
    assert list(cave.agents()) == ["shop/api/shell"]
    cave.run("down", "-f", "caves.yaml")
    assert cave.agents() == {}


def test_output_that_is_not_understood_at_all_stops_nothing(cave: Cave) -> None:
    cave.up()
    before = cave.agents()
    path = talks_of(cave, r"s/^(\$[0-9]+) %/\1 pane-/")
    for words in (("up", "-f", "caves.yaml"), ("down", "-f", "caves.yaml")):
        said = cave.run(*words, code=69, PATH=path).err
        assert "The answer of tmux 3" in said
        assert "agentcave doctor" in said
    assert cave.agents() == before


@pytest.mark.parametrize("locale", ["C", "POSIX", "no_SUCH.latin1"])
def test_without_a_utf8_locale_nothing_is_different(cave: Cave, locale: str) -> None:
    text = "déjà vu 漢字"
    cave.declare(TWO.replace("[sleep, infinity]", f"[sh, -c, 'echo {text}; sleep 600']", 1))
    cave.up(LC_ALL=locale, LANG=None)
    done = cave.run("logs", "api", "--file", "caves.yaml", LC_ALL=locale, PYTHONUTF8="1")
    assert text in done.out
    assert cave.ps()["api/shell"]["phase"] == "running"
    cave.run("down", "-f", "caves.yaml", LC_ALL=locale, LANG=None)
    assert cave.agents() == {}


def test_what_a_newer_agentcave_started_is_left_alone_by_name(cave: Cave) -> None:
    cave.declare(TWO)
    cave.up("web")
    stamp = cave.agents()["shop/web/shell"].command.split("AGENTCAVE_STAMP=")[1].split()[0]
    fields = json.loads(base64.urlsafe_b64decode(stamp + "=" * (-len(stamp) % 4)))
    cave.run("down", "-f", "caves.yaml")
    fields[0] += 1
    word = base64.urlsafe_b64encode(json.dumps([*fields, "more"]).encode()).decode().rstrip("=")
    folder = cave.state() / "sessions" / fields[9]
    folder.mkdir(parents=True)
    script = cave.write("newer.sh", f"export AGENTCAVE_SESSION_DIR={folder}; exec sleep 600\n")
    start = ("/usr/bin/env", f"AGENTCAVE_STAMP={word}", "/bin/sh", str(script))
    cave.tmux("new-session", "-d", "-s", "shop/web/shell", "--", *start)
    newer = cave.agents()["shop/web/shell"].pid
    assert "newer agentcave" in cave.ps()["web/shell"]["reason"]
    for words in (("up",), ("restart", "web"), ("stop", "web"), ("down",)):
        done = cave.run(*words, "-f", "caves.yaml", code=1)
        assert "newer agentcave" in done.err + done.out
        assert cave.agents()["shop/web/shell"].pid == newer
    assert list(cave.agents()) == ["shop/web/shell"]


def test_a_controller_goes_on_beside_a_pane_that_is_not_understood(cave: Cave) -> None:
    cave.declare(TWO)
    cave.up()
    edit = cave.home / "edit"
    edit.write_text("")
    path = cave.program(
        "tmux",
        f'case "$*" in *list-panes*|*source-file*) {REAL} "$@" | sed -E -f {edit} ;; '
        f'*) exec {REAL} "$@" ;; esac',
    )
    kept = cave.popen("up", "-f", "caves.yaml", "--watch", "--json", PATH=path)
    eventually(lambda: (cave.state() / "controller").exists())
    edit.write_text(r"s/^(\$[0-9]+ %[0-9]+) [0-9]+ (.*shop\/api)/\1 x \2/")
    before = {pane.pid for pane in cave.agents().values()}
    os.kill(cave.agents()["shop/web/shell"].pid, signal.SIGKILL)
    eventually(lambda: {pane.pid for pane in cave.agents().values()} - before)
    kept.send_signal(signal.SIGTERM)
    assert finish(kept).code == 143


@pytest.mark.parametrize(
    "edit", [r"s/^(\$.*shop\/api.*)/\1 more fields/", r"s/ [0-9]+ ([0-9] shop\/api)/ x \1/"]
)
def test_healthy_agents_are_served_beside_one_that_is_not_understood(cave: Cave, edit: str) -> None:
    cave.declare(TWO)
    cave.up()
    path = talks_of(cave, edit)
    cave.run("stop", "web", "-f", "caves.yaml", PATH=path)
    cave.run("start", "web", "-f", "caves.yaml", PATH=path)
    assert set(cave.agents()) == {"shop/api/shell", "shop/web/shell"}


@pytest.mark.parametrize("edit", ["d", "1q", "s/(.{150}).*/\\1/", "$d"])
def test_output_that_was_cut_off_ends_nobody(cave: Cave, edit: str) -> None:
    cave.declare(TWO)
    cave.up()
    before = cave.agents()
    path = talks_of(cave, edit)
    for verb in ("ps", "up", "down"):
        assert "not understood" in cave.run(verb, "-f", "caves.yaml", code=69, PATH=path).err
    assert cave.agents() == before


@pytest.mark.parametrize("make", ["mkfifo", "mkdir", "ln -s /dev/zero"])
def test_what_is_planted_for_a_process_id_stops_nothing(cave: Cave, make: str) -> None:
    cave.up()
    (kept,) = (cave.state() / "pids").iterdir()
    os.kill(cave.agents()["shop/api/shell"].pid, signal.SIGKILL)
    cave.shell(f"rm {kept} && {make} {kept}")
    cave.ps()
    cave.run("restart", "-f", "caves.yaml")
    cave.run("down", "-f", "caves.yaml")
    assert cave.agents() == {}


def test_a_folder_of_process_ids_that_leads_elsewhere_is_left_alone(cave: Cave) -> None:
    cave.up()
    elsewhere = cave.home / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("x")
    cave.shell(f"rm -r {cave.state()}/pids && ln -s {elsewhere} {cave.state()}/pids")
    cave.run("restart", "-f", "caves.yaml")
    cave.run("down", "-f", "caves.yaml")
    assert [path.name for path in elsewhere.iterdir()] == ["precious"]


def test_a_configuration_that_ends_sessions_nobody_looks_at_ends_no_agent(cave: Cave) -> None:
    (cave.home / "config" / "agentcave").mkdir(parents=True)
    lines = ("-s exit-unattached on", "-g destroy-unattached on", "-gq remain-on-exit-format GONE")
    text = "".join(f"set {line}\n" for line in lines)
    (cave.home / "config" / "agentcave" / "tmux.conf").write_text(text)
    # Of what a process prints in its very last moment, tmux 3.3a now and then shows nothing.
    cave.declare(TWO.replace("[sleep, infinity]", "[sh, -c, echo last words; sleep 0.5]", 1))
    cave.up("--wait-for", "started")
    eventually(lambda: cave.ps()["api/shell"]["phase"] == "completed")
    assert cave.ps()["web/shell"]["phase"] == "running"
    assert cave.run("logs", "api", "--file", "caves.yaml").out == "last words\n"
