"""Secrets: resolved at the start of whoever needs them, held in memory for one pass."""

import contextlib
import os
from collections.abc import Iterable, Mapping

import anyio

from agentcave.config.files import foreign
from agentcave.errors import CaveError
from agentcave.hosts import Host, environment_of
from agentcave.model.spec import Secret

TIMEOUT = 30.0
LIMIT = 1 << 20


class Secrets:
    """Resolves each distinct reference once. No value is ever part of an error or a repr."""

    def __init__(self, host: Host, environ: Mapping[str, str], directory: str) -> None:
        self._host, self._environ, self._directory = host, environ, directory
        self._known: dict[tuple[str, str | tuple[str, ...]], str | CaveError] = {}
        self._locks: dict[object, anyio.Lock] = {}

    async def values(self, secrets: Iterable[Secret]) -> dict[str, str]:
        """Raises CaveError, naming the secret, when one cannot be resolved."""
        return {secret.name: await self._value(secret) for secret in secrets}

    def known(self, secrets: Iterable[Secret]) -> set[str]:
        """The values of these, but for those of commands that have not run."""
        found = set()
        for kind, source in {(one.kind, one.source) for one in secrets}:
            value = self._known.get((kind, source))
            if value is None and isinstance(source, str):
                with contextlib.suppress(CaveError):
                    value = os.fsdecode(self._at_hand(kind, source))
            if isinstance(value, str):
                found.add(value)
        return found

    async def _value(self, secret: Secret) -> str:
        reference = (secret.kind, secret.source)
        async with self._locks.setdefault(reference, anyio.Lock()):
            if reference not in self._known:
                try:
                    self._known[reference] = await self._resolve(secret)
                except CaveError as exc:
                    self._known[reference] = exc
        known = self._known[reference]
        if isinstance(known, CaveError):
            raise CaveError(f"secret {secret.name}: {known.message}", known.hint)
        return known

    async def _resolve(self, secret: Secret) -> str:
        source = secret.source
        if not isinstance(source, str):
            raw = await self._output(source)
        else:
            raw = self._at_hand(secret.kind, source)
        if b"\0" in raw:
            raise CaveError("its value holds a NUL character")
        return os.fsdecode(raw if secret.kind == "env" else raw.removesuffix(b"\n"))

    def _at_hand(self, kind: str, source: str) -> bytes:
        if kind == "file":
            if why := foreign(source):
                raise CaveError(f"{source} {why}")
            return self._host.read_file(os.path.realpath(source), LIMIT)
        if source not in self._environ:
            raise CaveError(f"the variable {source} is not set here")
        return os.fsencode(self._environ[source])

    async def _output(self, argv: tuple[str, ...]) -> bytes:
        environment = dict(self._environ)
        done = await self._host.run(
            argv, cwd=self._directory, environment=environment, timeout=TIMEOUT
        )
        if done.returncode != 0:
            raise CaveError(f"`{argv[0]} …` failed with exit status {done.returncode}")
        return done.stdout


def handed(pid: int | None, secrets: Iterable[Secret]) -> set[str]:
    """The values of these that a live process was started with."""
    environment = {} if pid is None else environment_of(pid)
    return {environment[one.name] for one in secrets if one.name in environment}
