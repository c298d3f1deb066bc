"""Run every argv of a JSON file, N at a time; fails if one does."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def run(argv: list[str]) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


with ThreadPoolExecutor(int(sys.argv[2])) as pool:
    list(pool.map(run, json.loads(Path(sys.argv[1]).read_text())))
