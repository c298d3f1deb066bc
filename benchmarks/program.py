"""The program as a user has it: installed into an environment of its own, byte code and all."""

import contextlib
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Program(NamedTuple):
    """Where it was installed, and what its rivals run with."""

    python: Path
    agentcave: Path
    rivals_python: Path = Path(sys.executable)

    def rival(self, name: str) -> Path:
        """A program of the environment that the benchmarks themselves run in."""
        return self.rivals_python.parent / name


@contextlib.contextmanager
def installed(source: Path) -> Iterator[Program]:
    """Install ``source`` (a checkout); gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="acb-") as folder:
        venv.create(folder, with_pip=True, symlinks=True)
        python = Path(folder, "bin", "python")
        environ = {
            name: value
            for name, value in os.environ.items()
            if name not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")
        }
        pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        subprocess.run((*pip, "--compile", source), env=environ, check=True)
        yield Program(python, python.with_name("agentcave"))
