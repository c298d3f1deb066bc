"""Secrets: where they come from, how often, and that no value is ever shown."""

import os
from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest
from apply_world import anyio_backend as anyio_backend

from agentcave.apply.secrets import Secrets
from agentcave.errors import CaveError
from agentcave.hosts import LocalHost
from agentcave.model.spec import Secret

VALUE = "hunter2-ünlikely"


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    environ = {"PATH": os.environ["PATH"], "STRIPE_KEY": VALUE}
    return Secrets(LocalHost(), environ, str(tmp_path))


def command(*argv: str, name: str = "TOKEN") -> Secret:
    return Secret(name, "command", argv)


def written(path: Path, data: bytes) -> Secret:
    path.write_bytes(data)
    return Secret("DB_URL", "file", str(path))


async def value(secrets: Secrets, secret: Secret) -> str:
    values: Mapping[str, str] = await secrets.values([secret])
    return values[secret.name]


async def test_secrets_come_from_variables_files_and_commands(
    secrets: Secrets, tmp_path: Path
) -> None:
    wanted = [
        Secret("A", "env", "STRIPE_KEY"),
        written(tmp_path / "url", b"postgres://"),
        command("printf", VALUE),
    ]
    assert await secrets.values(wanted) == {"A": VALUE, "DB_URL": "postgres://", "TOKEN": VALUE}


@pytest.mark.parametrize(
    ("raw", "kept"),
    [(b"x\n", "x"), (b"x\n\n", "x\n"), (b"x", "x"), (b"\n", ""), (b" x \n", " x "), (b"", "")],
)
async def test_one_newline_at_the_end_is_taken_off(
    secrets: Secrets, tmp_path: Path, raw: bytes, kept: str
) -> None:
    assert await value(secrets, written(tmp_path / "file", raw)) == kept


async def test_bytes_that_are_no_text_arrive_unchanged(secrets: Secrets, tmp_path: Path) -> None:
    known = await value(secrets, written(tmp_path / "file", b"\xff\xfe"))
    assert os.fsencode(known) == b"\xff\xfe"


async def test_a_secret_file_may_be_a_link(secrets: Secrets, tmp_path: Path) -> None:
    written(tmp_path / "real", b"x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert await value(secrets, Secret("A", "file", str(tmp_path / "link"))) == "x"


async def test_each_reference_is_resolved_once_whoever_asks(
    secrets: Secrets, tmp_path: Path
) -> None:
    argv = ("sh", "-c", "echo asked >> asked; echo secret")

    async def ask(name: str) -> None:
        assert await secrets.values([command(*argv, name=name)]) == {name: "secret"}

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(ask, f"NAME_{number}")
    assert (tmp_path / "asked").read_text() == "asked\n"


async def test_a_failure_is_remembered_and_names_whoever_asks(
    secrets: Secrets, tmp_path: Path
) -> None:
    argv = ("sh", "-c", "echo asked >> asked; exit 3")
    for name in ("ONE", "TWO"):
        with pytest.raises(CaveError, match=f"secret {name}: `sh …` failed with exit status 3"):
            await secrets.values([command(*argv, name=name)])
    assert (tmp_path / "asked").read_text() == "asked\n"


async def test_a_command_gets_no_stdin_and_no_shell(secrets: Secrets) -> None:
    assert await value(secrets, command("cat")) == ""
    assert await value(secrets, command("printf", "%s", "$HOME `id`", name="B")) == "$HOME `id`"


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        (Secret("A", "env", "NOWHERE"), "secret A: the variable NOWHERE is not set here"),
        (Secret("A", "file", "/no/such/file"), "secret A: cannot read /no/such/file"),
        (command("no-such-program"), "secret TOKEN: no-such-program is not installed"),
        (command("sh", "-c", f"echo {VALUE}; echo {VALUE} >&2; exit 1"), "secret TOKEN: `sh …`"),
        (command("printf", f"{VALUE}\\0x"), "secret TOKEN: its value holds a NUL character"),
    ],
)
async def test_a_failure_names_the_secret_and_shows_no_value(
    secrets: Secrets, secret: Secret, told: str
) -> None:
    with pytest.raises(CaveError) as caught:
        await secrets.values([secret])
    shown = f"{caught.value} {caught.value!r}"
    assert str(caught.value).startswith(told)
    assert VALUE not in shown


async def test_a_command_that_is_too_slow_is_told_of_by_its_secret_and_program_only(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentcave.apply.secrets.TIMEOUT", 0.05)
    with pytest.raises(CaveError) as caught:
        await secrets.values([command("sleep", "60", "3600")])
    told = "secret TOKEN: `sleep …` gave no answer within 0.05 s and was ended"
    assert str(caught.value) == told


async def test_nothing_that_is_printed_shows_a_value(secrets: Secrets) -> None:
    await value(secrets, Secret("A", "env", "STRIPE_KEY"))
    assert VALUE not in repr(secrets)
