"""What every plan does, checked against an oracle that knows nothing of ``diff``."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from plan_world import KEY, OLD, agent, cave, digest_of, missing, session, there, wanted, world

from agentcave.model.desired import Desired, Request
from agentcave.model.observed import (
    History,
    Key,
    Observed,
    ObservedContext,
    ObservedSession,
    ObservedWorkspace,
    SeedChange,
)
from agentcave.model.spec import CaveSpec, RestartSpec
from agentcave.plan.actions import (
    CreateWorkspace,
    RestartSession,
    SeedContext,
    StartSession,
    StopSession,
)
from agentcave.plan.diff import diff
from agentcave.plan.plan import Plan, Step

NAMES = ("api", "db", "web", "docs", "tests")
POLICIES = ("never", "on-failure", "always")
LIVES = ("none", "same", "drifted", "held", "twice", "twice, ended", "done", "failed", "done, old")
SPACES = ("there", "there", "there", "missing", "half made", "refused")
SEEDS = ("same", "same", "update", "keep", "refused")


class Scene(NamedTuple):
    """``lives``, ``policies`` and ``stopped`` are by agent, ``spaces`` and ``seeds`` by cave."""

    needs: Mapping[str, tuple[str, ...]]
    agents: Mapping[str, tuple[str, ...]]
    lives: Mapping[Key, str]
    policies: Mapping[Key, str]
    stopped: frozenset[Key]
    spaces: Mapping[str, str]
    seeds: Mapping[str, str]
    orphans: tuple[bool, ...]
    only: frozenset[Key] | None
    force: bool
    order: tuple[str, ...]

    @property
    def keys(self) -> list[Key]:
        return [(one, each) for one in self.order for each in self.agents[one]]

    def specs(self) -> dict[str, CaveSpec]:
        return {
            name: cave(
                name,
                *(
                    agent(each, restart=RestartSpec(self.policies[name, each]))  # type: ignore[arg-type]
                    for each in self.agents[name]
                ),
                needs=self.needs[name],
            )
            for name in self.order
        }

    def history(self) -> dict[Key, History]:
        return {key: History(intent="stopped", ended="stopped") for key in self.stopped}

    def desired(self) -> Desired:
        return wanted(*self.specs().values(), history=self.history())

    def request(self) -> Request:
        return Request(only=self.only, force=self.force, orphans=self.only is None, cause="up")


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    agents = {
        name: tuple(draw(st.sampled_from((("claude",), ("claude", "codex"))))) for name in names
    }
    keys = [(name, each) for name in names for each in agents[name]]

    def each_key(values: tuple[str, ...]) -> dict[Key, str]:
        return {key: draw(st.sampled_from(values)) for key in keys}

    def some(values: list[Key]) -> frozenset[Key]:
        return draw(st.frozensets(st.sampled_from(values)))

    return Scene(
        needs={
            name: tuple(draw(st.lists(st.sampled_from(names[:place]), unique=True, max_size=2)))
            if place
            else ()
            for place, name in enumerate(names)
        },
        agents=agents,
        lives=each_key(LIVES),
        policies=each_key(POLICIES),
        stopped=some(keys) if draw(st.booleans()) else frozenset(),
        spaces={name: draw(st.sampled_from(SPACES)) for name in names},
        seeds={name: draw(st.sampled_from(SEEDS)) for name in names},
        orphans=tuple(draw(st.lists(st.booleans(), max_size=2))),
        only=some(keys) if draw(st.booleans()) else None,
        force=draw(st.booleans()),
        order=tuple(draw(st.permutations(names))),
    )


def seen_sessions(scene: Scene) -> list[ObservedSession]:
    found: list[ObservedSession] = []
    specs = scene.specs()

    def add(key: Key, digest: str, **fields: Any) -> None:
        found.append(session(*key, digest=digest, number=len(found) + 1, **fields))

    for key in sorted(scene.keys):
        now = digest_of(specs[key[0]])
        match scene.lives[key]:
            case "same":
                add(key, now)
            case "drifted":
                add(key, OLD)
            case "held":
                add(key, OLD, attached=True)
            case "twice":
                add(key, OLD)
                add(key, now)
            case "twice, ended":
                add(key, now)
                add(key, now, dead=True, exit_status=1)
            case "done":
                add(key, now, dead=True, exit_status=0)
            case "failed":
                add(key, now, dead=True, exit_status=1)
            case "done, old":
                add(key, OLD, dead=True, exit_status=0)
    for number, attached in enumerate(scene.orphans):
        add((f"old-{number}", "claude"), OLD, attached=attached)
    return found


def seen_space(name: str, how: str) -> ObservedWorkspace:
    match how:
        case "missing":
            return missing(name)
        case "half made":
            return there(name, half_made=True)
        case "refused":
            return there(name, problem="it is taken")
        case _:
            return there(name)


def seen_context(how: str) -> ObservedContext:
    match how:
        case "update":
            return ObservedContext((SeedChange("plan.md", "update", "source changed"),))
        case "keep":
            return ObservedContext((SeedChange("plan.md", "keep", "edited"),))
        case "refused":
            return ObservedContext(problem="plan.md is missing")
        case _:
            return ObservedContext()


def observed(scene: Scene) -> Observed:
    return world(
        scene.desired(),
        *seen_sessions(scene),
        workspaces={name: seen_space(name, how) for name, how in scene.spaces.items()},
        contexts={name: seen_context(how) for name, how in scene.seeds.items()},
        history=scene.history(),
    )


def plan_of(scene: Scene) -> Plan:
    return diff(scene.desired(), observed(scene), scene.request(), KEY)


# What a plan does, done to the snapshot, in the most awkward order that the plan allows.


class After(NamedTuple):
    """``order``: names of what began or ended, as it happened."""

    world: Observed
    order: list[tuple[str, str]]


def simulate(plan: Plan, before: Observed) -> After:
    sessions = {key: list(those) for key, those in before.sessions.items()}
    workspaces, contexts = dict(before.workspaces), dict(before.contexts)
    done: set[int] = set()
    order: list[tuple[str, str]] = []

    def live(key: Key) -> list[ObservedSession]:
        return [one for one in sessions.get(key, ()) if not one.dead]

    def begin(step: Step, gone: ObservedSession | None, digest: str | None) -> None:
        key = (step.cave, step.agent or "")
        assert workspaces[step.cave].exists
        assert not workspaces[step.cave].half_made
        assert not [one for one in contexts[step.cave].changes if one.action != "keep"]
        others = [one for one in sessions.get(key, ()) if one != gone]
        assert not [one for one in others if not one.dead], "two processes of one agent"
        number = 1000 + len(order)
        sessions[key] = [*others, session(*key, digest=digest or "", number=number)]

    def perform(step: Step) -> None:
        match step.action:
            case CreateWorkspace():
                workspaces[step.cave] = there(step.cave)
            case SeedContext(_, changes):
                kept = [one for one in contexts[step.cave].changes if one not in changes]
                contexts[step.cave] = ObservedContext(tuple(kept))
            case StartSession(one, ended, _):
                assert ended is None or ended.dead
                begin(step, ended, one.digest)
            case RestartSession(one, running, _):
                assert running in live(one.key)
                begin(step, running, one.digest)
            case StopSession(one, _):
                sessions[one.stamp.key].remove(one)
            case _:
                raise AssertionError(step.verb)
        order.append((step.verb, step.name))

    waiting = [step for step in reversed(plan.steps) if step.outcome == "planned"]
    while ready := [step for step in waiting if done.issuperset(step.after)]:
        perform(ready[0])
        done.add(ready[0].id)
        waiting.remove(ready[0])
    assert waiting == [], "a plan that can not be carried out whole"
    left = {key: tuple(those) for key, those in sessions.items() if those}
    return After(before._replace(sessions=left, workspaces=workspaces, contexts=contexts), order)


# The oracle: what must be there afterwards, from the scene alone.

Lives = list[tuple[str, bool]]


def expected(scene: Scene) -> dict[Key, Lives]:
    """By agent, the sessions that are there: each its digest and whether it runs."""
    specs, seen = scene.specs(), observed(scene)
    before = {
        key: [(one.stamp.digest, not one.dead) for one in those]
        for key, those in seen.sessions.items()
    }
    refused: set[str] = set()
    for name in by_need(scene):
        now = digest_of(specs[name])
        meant = [key for key in scene.keys if key[0] == name and is_meant(scene, key)]
        awake = [key for key in meant if key not in scene.stopped and wakes(scene, key)]
        broken = bool(awake) and "refused" in (scene.spaces[name], scene.seeds[name])
        stuck = any(need in refused for need in scene.needs[name])
        if broken:
            refused.add(name)
        for key in meant:
            if key in scene.stopped:
                before[key] = []
            elif key in awake and not broken:
                starts = scene.lives[key] not in ("same", "drifted", "held", "twice")
                if starts and stuck:
                    refused.add(name)
                    before[key] = [each for each in before.get(key, []) if not each[1]]
                elif scene.lives[key] != "held" or scene.force:
                    before[key] = [(now, True)]
    if scene.only is None:
        for number, attached in enumerate(scene.orphans):
            if not attached or scene.force:
                before[f"old-{number}", "claude"] = []
    return {key: lives for key, lives in before.items() if lives}


def is_meant(scene: Scene, key: Key) -> bool:
    return scene.only is None or key in scene.only


def wakes(scene: Scene, key: Key) -> bool:
    """Whether an agent runs or has a reason to: all but what is complete as declared."""
    return scene.lives[key] != "done" or scene.policies[key] == "always"


def by_need(scene: Scene) -> list[str]:
    ordered: list[str] = []
    while len(ordered) < len(scene.order):
        ordered += [
            name
            for name in scene.order
            if name not in ordered and set(scene.needs[name]) <= set(ordered)
        ]
    return ordered


@given(scenes())
@settings(max_examples=400, deadline=None)
def test_a_plan_leaves_exactly_what_is_wanted(scene: Scene) -> None:
    after = simulate(plan_of(scene), observed(scene)).world
    left = {
        key: [(one.stamp.digest, not one.dead) for one in those]
        for key, those in after.sessions.items()
    }
    assert left == expected(scene)


@given(scenes())
@settings(max_examples=200, deadline=None)
def test_after_a_plan_nothing_more_is_planned(scene: Scene) -> None:
    before = plan_of(scene)
    after = simulate(before, observed(scene)).world
    again = diff(scene.desired(), after, scene.request(), KEY)
    assert [str(step) for step in again.planned] == []
    assert {(step.name, step.error) for step in again.blocked} == {
        (step.name, step.error) for step in before.blocked
    }


@given(scenes())
@settings(max_examples=200, deadline=None)
def test_dependencies_come_first(scene: Scene) -> None:
    before = plan_of(scene)
    order = simulate(before, observed(scene)).order
    starts = [name for verb, name in order if verb in ("start-session", "restart-session")]
    for place, name in enumerate(starts):
        where = name.partition("/")[0]
        later = {other.partition("/")[0] for other in starts[place:]}
        if ("start-session", name) in order:
            assert not later & set(scene.needs[where])


@given(scenes())
@settings(max_examples=200, deadline=None)
def test_down_leaves_nothing_and_ends_dependents_first(scene: Scene) -> None:
    down = wanted(*scene.specs().values(), history=scene.history(), state="absent")
    before = observed(scene)._replace(history=scene.history())
    request = Request(orphans=True, force=True, cause="down")
    after = simulate(diff(down, before, request, KEY), before)
    assert after.world.sessions == {}
    stops = [name.partition("/")[0] for verb, name in after.order if verb == "stop-session"]
    for place, where in enumerate(stops):
        if where in scene.needs:
            assert not set(stops[:place]) & set(scene.needs[where])


@given(scenes())
@settings(max_examples=100, deadline=None)
def test_the_order_of_the_input_does_not_matter(scene: Scene) -> None:
    turned = scene._replace(order=tuple(reversed(scene.order)))

    def told(plan: Plan) -> set[tuple[object, ...]]:
        by_id = {step.id: f"{step.verb} {step.name}" for step in plan.steps}
        return {
            (*by_id[step.id].split(), step.cause, step.error, *sorted(by_id[n] for n in step.after))
            for step in plan.steps
        }

    assert told(plan_of(scene)) == told(plan_of(turned))


@given(scenes())
@settings(max_examples=100, deadline=None)
def test_a_plan_is_numbered_in_order_and_waits_only_for_its_own_steps(scene: Scene) -> None:
    plan = plan_of(scene)
    numbers = [step.id for step in plan.steps]
    assert numbers == list(range(1, len(numbers) + 1))
    assert all(set(step.after) <= set(numbers) for step in plan.steps)
    assert sum(plan.summary().values()) == len(set(plan.caves))
