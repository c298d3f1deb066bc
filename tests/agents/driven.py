"""A real agent in a private world, and short words for what tests do with it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Generic

from caving import Cave, Done, environment_of, eventually
from fakes.serving import AnyTurn, FakeApi

NOWHERE = "http://127.0.0.1:9"
"""A proxy for agents that would ask the network."""


class Agent(Generic[AnyTurn]):
    """One project whose caves run one agent each, the same program; ``api`` is its model."""

    name: ClassVar[str]
    declared: ClassVar[Mapping[str, Any]] = {}
    """What the caves file says of each agent unless a test says otherwise."""
    patience: ClassVar[int] = 20
    """Seconds within which it does what is waited for, with both cores loaded."""

    def __init__(self, cave: Cave, api: FakeApi[AnyTurn], program: str, **environ: str) -> None:
        self.cave, self.api, self.program = cave, api, program
        cave.environ |= {"NO_PROXY": "127.0.0.1", **environ}

    # -- doing ---------------------------------------------------------------------------------

    def declare(self, *caves: str, cave: dict[str, Any] | None = None, **agent: Any) -> None:
        """Caves of these names (``api`` if none), each with one agent; the rest is theirs."""
        one = {"command": [self.program], **self.declared, **agent}
        document = {
            "version": 1,
            "name": "shop",
            "defaults": {**(cave or {}), "agents": {self.name: one}},
            "caves": {name: {} for name in caves or ("api",)},
        }
        self.cave.declare(json.dumps(document, indent=1))

    def up(self, *words: str, code: int = 0, **environ: str | None) -> Done:
        return self.cave.up(*words, code=code, **environ)

    def idle(self, *caves: str) -> None:
        """Start them, and wait until they have said that they wait for a prompt."""
        self.up()
        self.becomes("idle", *caves)

    def begin(self, prompt: str, **agent: Any) -> None:
        """Start one with a first prompt, and wait for the answer."""
        self.declare(prompt=prompt.replace("$", "$$"), **agent)
        self.up()
        self.is_asked(prompt)
        self.becomes("idle")

    def tell(self, verb: str, *words: str, code: int = 0, stdin: str = "") -> Done:
        return self.cave.run(verb, "-f", "caves.yaml", *words, code=code, stdin=stdin)

    def send(self, text: str, cave: str = "api", code: int = 0) -> Done:
        return self.tell("send", cave, "-", stdin=text, code=code)

    def press(self, *keys: str, cave: str = "api") -> None:
        """As a person at the terminal does."""
        self.cave.tmux("send-keys", "-t", f"=shop/{cave}/{self.name}:", *keys)

    # -- seeing --------------------------------------------------------------------------------

    def row(self, cave: str = "api") -> dict[str, Any]:
        return self.cave.ps()[f"{cave}/{self.name}"]

    def becomes(self, activity: str, *caves: str, within: str = "") -> None:
        """Wait for it to be said by ``wait`` where that can wait for it, then by ``ps``."""
        names = caves or ("api",)
        with self._shown(names):
            if activity != "working":
                goal = "idle" if activity == "idle" else "attention"
                timeout = within or f"{self.patience}s"
                self.tell("wait", *names, "--for", goal, "--timeout", timeout)
            eventually(
                lambda: {self.row(name)["activity"] for name in names} == {activity}, self.patience
            )

    def is_asked(self, text: str) -> None:
        """Wait for the model to be given this text of the user."""
        with self._shown(["api"]):
            eventually(lambda: self.asked(text), self.patience)

    def asked(self, text: str) -> bool:
        """Whether the model has been given this text of the user, exactly."""
        return any(text in turn.said for turn in self.api.turns())

    def heard(self, text: str) -> int:
        """How often the text stands in the conversation as the model was given it last."""
        return self.last_turn().said.count(text)

    def last_turn(self) -> AnyTurn:
        return self.api.turns()[-1]

    def pid(self, cave: str = "api") -> int:
        return int(self.row(cave)["pid"])

    def processes(self) -> list[int]:
        """Of the sessions: some agents are a pair of them, and there is what they run."""
        found = self.cave.processes()
        return [pid for pid in found if b"AGENTCAVE_SESSION_DIR=" in environment_of(pid)]

    def file(self, name: str, cave: str = "api") -> Path:
        return self.cave.workspace(cave) / name

    def screen(self, cave: str = "api") -> str:
        return self.cave.screen(f"shop/{cave}/{self.name}")

    @contextmanager
    def _shown(self, caves: Sequence[str]) -> Iterator[None]:
        """A failure tells what each agent was doing."""
        try:
            yield
        except AssertionError as failed:
            for cave in caves:
                failed.add_note(f"{self.row(cave)}\n{self.screen(cave)}")
            raise
