"""Programs that must never run: whoever runs one leaves a file that says which."""

from pathlib import Path

from caving import Cave


def trap(cave: Cave, name: str) -> str:
    """A command line, one word, that leaves ``sprung-NAME`` in the home."""
    folder = cave.home / "traps"
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f'#!/bin/sh\n: > "{cave.home}/sprung-{name}"\ncat\n')
    path.chmod(0o755)
    return str(path)


def sprung(cave: Cave) -> list[str]:
    return sorted(path.name.removeprefix("sprung-") for path in cave.home.glob("sprung-*"))


def pwned(cave: Cave) -> list[Path]:
    """What `touch pwned` has made anywhere it may have been run."""
    elsewhere = [Path(folder, "pwned") for folder in ("/", ".", "/tmp")]
    return [path for path in [*cave.home.rglob("pwned"), *elsewhere] if path.exists()]
