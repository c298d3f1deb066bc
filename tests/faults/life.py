"""What can happen to a project, as rules of a state machine; ``teardown`` heals and checks."""

import os
import shutil
import signal
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from calls import wrap
from caving import SLEEPER, Done, alive, eventually, finish, make_project
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from invariants import NO_TREASURE, Promise, check
from sightings import carriers_of, look, server_pid
from treasure import bury, record
from worlds import GITCONFIG, end_world

NAMES = ("api", "lib", "web")
TYPES = {"api": "{type: worktree}", "lib": "{type: clone}", "web": "{type: directory, path: web}"}
CODES = {0, 1, 69, 75, 78}
names = st.sampled_from(NAMES)


class Life(RuleBasedStateMachine):
    """``declared``: the level in the environment of each cave of the file."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(os.path.realpath(tempfile.mkdtemp(prefix="acl-")))
        (self.home / ".gitconfig").write_text(GITCONFIG)
        self.cave = make_project(self.home, self.home / "shop")
        self.cave.write("web/index.html", "hello\n")
        self.declared = {"api": 0, "web": 0}
        self.treasure = NO_TREASURE

    @initialize()
    def begin(self) -> None:
        self.write()
        self.cave.up()

    # -- what a person does --------------------------------------------------------------------

    @rule()
    def up(self) -> None:
        self.command("up")

    @rule()
    def down(self) -> None:
        self.command("down")

    @rule(name=names)
    def stop(self, name: str) -> None:
        self.command("stop", name)

    @rule(name=names)
    def start(self, name: str) -> None:
        self.command("start", name)

    @rule(name=names)
    def restart(self, name: str) -> None:
        self.command("restart", name)

    @rule(name=names, level=st.integers(0, 2))
    def declare(self, name: str, level: int) -> None:
        self.declared[name] = level
        self.write()

    @rule(name=names)
    def undeclare(self, name: str) -> None:
        if len(self.declared) > 1:
            self.declared.pop(name, None)
        self.write()

    @rule()
    def break_the_file(self) -> None:
        self.cave.declare("version: 1\ncaves: [half a fil")
        assert self.cave.try_run("up", "-f", "caves.yaml").code == 78
        self.write()

    @rule(name=names)
    def work(self, name: str) -> None:
        """Something of every kind to lose, which is kept from then on."""
        place = self.cave.workspace(name)
        whole = place.is_dir() and look(self.cave).live(f"{name}/shell")
        if whole and not (place / "new.txt").exists():
            bury(self.cave, name)
            known = record(self.cave, name)
            self.treasure = self.treasure._replace(
                files={**self.treasure.files, **known.files},
                refs={**self.treasure.refs, **known.refs},
            )

    @rule(name=names)
    def delete_a_workspace_without_work(self, name: str) -> None:
        place = self.cave.workspace(name)
        with self.at_rest():
            if place.is_dir() and not (place / "new.txt").exists():
                shutil.rmtree(place)

    @rule()
    def rename_and_split(self) -> None:
        for pane in self.cave.panes():
            self.cave.try_tmux("rename-session", "-t", pane.id, f"mine{pane.id.strip('%')}")
            self.cave.try_tmux("split-window", "-d", "-t", pane.id, "sleep infinity")
            return

    @rule()
    def kill_a_session(self) -> None:
        for pane in self.cave.panes():
            self.cave.try_tmux("kill-session", "-t", pane.id)
            return

    # -- what goes wrong -----------------------------------------------------------------------

    @rule()
    def kill_an_agent(self) -> None:
        for agent in self.cave.agents().values():
            kill(agent.pid)
            return

    @rule()
    def kill_the_server(self) -> None:
        if pid := server_pid(self.cave):
            kill(pid)

    @rule(number=st.integers(1, 30), harm=st.sampled_from(["before", "meanwhile", "after"]))
    def kill_an_up(self, number: int, harm: str) -> None:
        calls = wrap(self.cave, f"[ $n = {number} ]", harm)
        finish(self.cave.popen("up", "-f", "caves.yaml", PATH=calls.path))

    @rule()
    def delete_a_session_folder(self) -> None:
        for seen in look(self.cave).sessions:
            shutil.rmtree(self.cave.state() / "sessions" / seen.id, ignore_errors=True)
            return

    @rule()
    def reboot(self) -> None:
        """Everything of the server is gone, and so is its socket."""
        if pid := server_pid(self.cave):
            kill(pid)
        for pid, _ in carriers_of(self.cave):
            kill(pid)
        Path(self.cave.socket).unlink(missing_ok=True)

    # -- the end -------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            started = self.cave.try_run("start", "-f", "caves.yaml")
            self.mend(started)
            check(self.cave, Promise([f"{name}/shell" for name in self.declared], self.treasure))
        finally:
            end_world(self.cave)
            shutil.rmtree(self.home)

    def mend(self, started: Done) -> None:
        """Make it as declared; the stopped have been ``started``, as far as that could be."""
        self.cave.up()

    def at_rest(self) -> AbstractContextManager[None]:
        """While nothing of the project changes by itself."""
        return nullcontext()

    def command(self, *words: str) -> None:
        done = self.cave.try_run(words[0], "-f", "caves.yaml", *words[1:])
        assert done.code in CODES or (done.code == 64 and len(words) > 1), done

    def write(self) -> None:
        text = "version: 1\nname: shop\ncaves:\n"
        for name, level in self.declared.items():
            text += f"  {name}:\n    workspace: {TYPES[name]}\n    agents: {{shell: {SLEEPER}}}\n"
            text += f"    environment: {{LEVEL: {level}}}\n"
            text += f"    context: {{plan.md: {{text: do {level}}}}}\n"
        self.save(text)

    def save(self, text: str) -> None:
        self.cave.declare(text)


def kill(pid: int) -> None:
    """End a process of this world now."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    eventually(lambda: not alive(pid))
