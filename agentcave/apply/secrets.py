"""Secrets: resolved at the start of whoever needs them, held in memory for one pass."""

import os
from collections.abc import Iterable, Mapping

import anyio

from agentcave.errors import CaveError
from agentcave.hosts import Host
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
        elif secret.kind == "file":
            raw = self._host.read_file(os.path.realpath(source), LIMIT)
        elif source in self._environ:
            return self._environ[source]
        else:
            raise CaveError(f"the variable {source} is not set here")
        if b"\0" in raw:
            raise CaveError("its value holds a NUL character")
        return os.fsdecode(raw.removesuffix(b"\n"))

    async def _output(self, argv: tuple[str, ...]) -> bytes:
        environment = dict(self._environ)
        done = await self._host.run(
            argv, cwd=self._directory, environment=environment, timeout=TIMEOUT
        )
        if done.returncode != 0:
            raise CaveError(f"`{argv[0]} …` failed with exit status {done.returncode}")
        return done.stdout
