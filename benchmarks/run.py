"""Measure agentcave beside what a user would have instead; prints a markdown table.

python benchmarks/run.py [WORK…] [--runs N] [--quick]
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import QUICK, Bench, Sizes
from program import installed
from table import Row, markdown
from timing import CommandFailed, tell
from works import fresh, reading, real_claude, standing, talking, watching, worktrees

WORKS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "fresh-few": fresh.few,
    "fresh-many": fresh.many,
    "standing-few": standing.few,
    "standing-many": standing.many,
    "config": reading.config,
    "worktrees": worktrees.many_files,
    "prompts": talking.prompts,
    "statuses": talking.statuses,
    "hooks": talking.hooks,
    "crashes": watching.crashes,
    "quiet": watching.quiet,
    "noisy": watching.noisy,
    "edits": watching.edits,
    "memory": watching.memory,
    "claude-prompts": real_claude.prompts,
    "claude-statuses": real_claude.statuses,
}
ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    args = _arguments()
    began = os.getloadavg()[0]
    rows: list[Row] = []
    with installed(args.source) as program:
        bench = Bench(program, args.runs, QUICK if args.quick else Sizes())
        failed = [name for name in args.works or WORKS if not _measured(name, bench, rows)]
    if args.quick:
        rows = [row._replace(target="", met=None) for row in rows]
    print(f"{machine()}; load average {began:.1f} before; {args.runs} runs\n")
    print(markdown(rows))
    return 1 if failed or any(row.met is False for row in rows) else 0


def _measured(name: str, bench: Bench, rows: list[Row]) -> bool:
    """One work that fails does not take the others' numbers with it."""
    tell(name)
    try:
        rows += WORKS[name](bench)
    except (CommandFailed, TimeoutError, AssertionError) as exc:
        tell(f"  {name} FAILED: {exc}")
        return False
    return True


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure agentcave beside its rivals.")
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"of {', '.join(WORKS)}")
    parser.add_argument("--runs", type=int, default=5, help="of each work of seconds (default 5)")
    parser.add_argument("--quick", action="store_true", help="small sizes, without targets")
    parser.add_argument(
        "--source", type=Path, default=ROOT, help="another checkout to install and measure"
    )
    args = parser.parse_args()
    unknown = [name for name in args.works if name not in WORKS]
    if unknown:
        parser.error(f"there is no work {unknown[0]!r}; there are {', '.join(WORKS)}")
    return args


def machine() -> str:
    """What the numbers were measured on."""
    about = [_processor(), f"Linux {platform.release()}", f"Python {platform.python_version()}"]
    about += [_said("tmux", "-V"), _said("git", "--version").replace(" version", "")]
    return f"{time.strftime('%Y-%m-%d')}: " + ", ".join(about)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} x {names[0] if names else platform.machine()}"


def _said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
