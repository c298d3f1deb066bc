"""Finding, selecting, caching, trusting."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from config_project import write

from agentcave.config import find, load, resolve, select
from agentcave.config.document import Document
from agentcave.config.trust import MISSING, changes, fingerprint, texts
from agentcave.errors import SpecError, UsageError

CAVES = """
    version: 1
    name: shop
    caves:
      db: {agents: {demo: {}}}
      api: {profiles: [back], depends_on: {db: {}, log: {required: false}}, agents: {demo: {}}}
      log: {profiles: [ops], agents: {demo: {}}}
      web: {profiles: [front], depends_on: {api: {}, tests: {}}, agents: {demo: {}}}
      tests: {profiles: [check], replicas: 2, agents: {demo: {}}}
    """


@pytest.fixture
def document(tmp_path: Path) -> Document:
    return load([write(tmp_path, CAVES)])


def test_the_caves_file_is_searched_upward_to_the_git_root(tmp_path: Path) -> None:
    above = write(tmp_path, "", "caves.yaml")
    inner = tmp_path / "repo" / "a" / "b"
    inner.mkdir(parents=True)
    assert find(os.fspath(inner)) == above
    (tmp_path / "repo" / ".git").write_text("gitdir: elsewhere")
    assert find(os.fspath(inner)) is None
    nearest = write(tmp_path, "", "repo/caves.yml")
    assert find(os.fspath(inner)) == nearest
    write(tmp_path, "", "repo/caves.yaml")
    with pytest.raises(UsageError, match=r"holds both caves\.yaml and caves\.yml"):
        find(os.fspath(inner))


def test_without_names_caves_of_no_or_a_selected_profile_are_worked_on(document: Document) -> None:
    assert select(document) == ("db",)
    assert select(document, profiles=["back"]) == ("db", "api")
    assert select(document, profiles=["ops", "check"]) == ("db", "log", "tests-1", "tests-2")


def test_named_caves_bring_what_they_require(document: Document) -> None:
    assert select(document, ["web"]) == ("db", "api", "web", "tests-1", "tests-2")
    assert select(document, ["web"], dependencies=False) == ("web",)
    assert select(document, ["tests"]) == ("tests-1", "tests-2")
    assert select(document, ["tests-2", "tests-2"]) == ("tests-2",)
    assert select(document, ["api"]) == ("db", "api")


def test_unknown_names_and_profiles_are_usage_errors(document: Document) -> None:
    with pytest.raises(UsageError, match=r"no cave apo in shop \(did you mean api\?\)"):
        select(document, ["db", "apo"])
    with pytest.raises(UsageError, match=r"no profile bakc in shop \(did you mean back\?\)"):
        select(document, profiles=["bakc"])


def test_every_cave_is_declared_whether_selected_or_not(document: Document) -> None:
    assert list(document.declared) == ["db", "api", "log", "web", "tests-1", "tests-2"]
    assert document.groups == {"tests": ("tests-1", "tests-2")}


def test_the_uid_is_of_the_real_path(tmp_path: Path) -> None:
    real = write(tmp_path, CAVES)
    os.symlink(real, tmp_path / "link.yaml")
    assert load([os.fspath(tmp_path / "link.yaml")]).uid == load([real]).uid
    assert load([real]).uid != load([write(tmp_path, CAVES, "other.yaml")]).uid


def test_the_project_is_where_the_name_of_the_file_lies(tmp_path: Path) -> None:
    shop, elsewhere = tmp_path / "shop", tmp_path / "elsewhere"
    for folder in (shop, elsewhere):
        folder.mkdir()
    os.symlink(write(elsewhere, CAVES), shop / "caves.yaml")
    os.symlink(write(elsewhere, "version: 1\nname: own\n", "l.yaml"), shop / "caves.local.yaml")
    os.symlink(shop, tmp_path / "link")
    found = load([os.fspath(tmp_path / "link" / "caves.yaml")])
    assert (found.file, found.directory) == (f"{shop}/caves.yaml", f"{shop}")
    assert {source.directory for source in found.sources} == {f"{shop}"}
    assert found == load([f"{shop}/caves.yaml"])
    assert found.uid != load([f"{elsewhere}/caves.yaml"]).uid


def cached(path: str, cache: Path) -> tuple[Document, bool]:
    """The document, and whether it came from the cache."""
    entries = {entry: entry.stat().st_ino for entry in cache.glob("*")}
    found = load([path], cache=os.fspath(cache))
    return found, bool(entries) and {e: e.stat().st_ino for e in cache.glob("*")} == entries


def test_an_unchanged_file_comes_from_the_cache_and_is_the_same(tmp_path: Path) -> None:
    path, cache = write(tmp_path, CAVES), tmp_path / "cache"
    first, hit = cached(path, cache)
    assert not hit
    second, hit = cached(path, cache)
    assert hit
    assert second == first == load([path])
    assert second.caves["tests-1"]["agents"] is second.caves["tests-2"]["agents"]
    (entry,) = cache.glob("*.caves")
    assert entry.stat().st_mode & 0o777 == 0o600


def test_a_changed_file_does_not_come_from_the_cache(tmp_path: Path) -> None:
    path, cache = write(tmp_path, CAVES), tmp_path / "cache"
    cached(path, cache)
    write(tmp_path, CAVES.replace("shop", "spoh"))
    assert cached(path, cache)[0].name == "spoh"
    write(tmp_path, "version: 1\ncaves: {db: {description: local}}\n", "caves.local.yaml")
    assert cached(path, cache)[0].caves["db"]["description"] == "local"
    write(tmp_path, "version: 1\nnope: 1\n", "caves.local.yaml")
    for _ in range(2):
        with pytest.raises(SpecError, match=r"caves\.local\.yaml:2:1: nope: unknown key"):
            cached(path, cache)
    assert len(list(cache.glob("*.caves"))) <= 2


def test_a_cache_that_is_broken_or_foreign_is_ignored(tmp_path: Path) -> None:
    path, cache = write(tmp_path, CAVES), tmp_path / "cache"
    expected, _ = cached(path, cache)
    (entry,) = cache.glob("*.caves")
    good = entry.read_bytes()
    for bad in (b"", b"x", good[:64], good[:-1], good[:70] + b"\xff" + good[71:], good + b"x"):
        entry.write_bytes(bad)
        found, hit = cached(path, cache)
        assert (found, hit) == (expected, False)
    entry.chmod(0o622)
    assert not cached(path, cache)[1]
    entry.unlink()
    entry.symlink_to(path)
    assert not cached(path, cache)[1]
    entry.unlink()
    entry.mkdir()
    assert load([path], cache=os.fspath(cache)) == expected
    assert load([path], cache=os.fspath(path)) == expected
    assert [p.name for p in cache.glob("*.caves")] == [entry.name]


def test_the_compiled_schema_is_kept_and_a_broken_one_is_made_again(tmp_path: Path) -> None:
    path, cache = write(tmp_path, CAVES), tmp_path / "cache"
    program = (
        "import fastjsonschema, sys\n"
        "compiled = []\n"
        "real = fastjsonschema.compile_to_code\n"
        "fastjsonschema.compile_to_code = lambda *a, **k: compiled.append(1) or real(*a, **k)\n"
        "from agentcave.config import load\n"
        f"load([{path!r}], cache={os.fspath(cache)!r})\n"
        "print(len(compiled))"
    )

    def compilations() -> str:
        for entry in cache.glob("*.caves"):
            entry.unlink()
        environ = {"PYTHONPATH": os.pathsep.join(sys.path)}
        argv = [sys.executable, "-c", program]
        return subprocess.run(argv, capture_output=True, text=True, env=environ).stdout.strip()

    assert [compilations(), compilations()] == ["1", "0"]
    kept = cache / "schema.compiled"
    good = kept.read_bytes()
    for bad in (b"", good[:-1], good[:80] + b"\xff" + good[81:]):
        kept.write_bytes(bad)
        assert compilations() == "1"
    assert kept.read_bytes() == good


def test_trust_binds_the_bytes_of_caves_env_and_prompt_files(tmp_path: Path) -> None:
    text = """
        version: 1
        name: shop
        env_file: [{path: .env}, {path: absent.env, required: false}, {path: ~/home.env}]
        caves: {a: {agents: {demo: {prompt: {file: prompts/p.md}}}}}
        """
    write(tmp_path, "A=1\n", ".env")
    write(tmp_path, "hello\n", "prompts/p.md")
    write(tmp_path, "version: 1\n", "caves.local.yaml")
    path, home = write(tmp_path, text), tmp_path / "home"
    write(home, "B=1\n", "home.env")
    document = load([path])
    here = os.path.realpath(tmp_path)
    before = fingerprint(document, home=os.fspath(home))
    old = texts(document, b"key", home=os.fspath(home))
    assert list(before) == [
        f"{here}/{name}"
        for name in ("caves.yaml", "caves.local.yaml", ".env", "absent.env", "home/home.env",
                     "prompts/p.md")
    ]  # fmt: skip
    assert before[f"{here}/absent.env"] == MISSING
    write(tmp_path, "bye\n", "prompts/p.md")
    write(tmp_path, "C=1\n", "absent.env")
    after = fingerprint(load([path]), home=os.fspath(home))
    new = texts(load([path]), b"key", home=os.fspath(home))
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {f"{here}/prompts/p.md", f"{here}/absent.env"}
    assert changes(old, old) == ""
    assert "-hello\n+bye\n" in changes(old, new)
    assert f"--- {os.devnull}\n+++ {here}/absent.env\n" in changes(old, new)


def test_the_warm_path_imports_nothing_heavy(tmp_path: Path) -> None:
    path = write(tmp_path, CAVES)
    load([path], cache=os.fspath(tmp_path / "cache"))
    program = (
        "import sys\n"
        "from agentcave.config import load, resolve, select\n"
        f"d = load([{path!r}], cache={os.fspath(tmp_path / 'cache')!r})\n"
        "resolve(d, select(d), {}, home='/')\n"
        "print([m for m in ('dataclasses pathlib subprocess yaml json jsonschema fastjsonschema '\n"
        "    'asyncio difflib inspect').split() if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, timeout=30,
        env={"PYTHONPATH": os.fspath(Path(__file__).parents[2])},
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_two_thousand_caves_load_and_share(tmp_path: Path) -> None:
    head = ["version: 1", "name: big", "caves:"]
    lines = head + [
        f"  c{number}: {{workspace: {{type: directory, path: w/{number}}}, "
        "environment: {A: 1}, agents: {sh: {type: command, command: [sleep, inf]}}}"
        for number in range(2000)
    ]
    path = write(tmp_path, "\n".join(lines))
    document = load([path], cache=os.fspath(tmp_path / "cache"))
    again = load([path], cache=os.fspath(tmp_path / "cache"))
    assert again == document
    project = resolve(again, select(again), {}, home="/")
    assert len(project.caves) == 2000
    assert len({id(cave.agents[0]) for cave in project.caves}) == 1
