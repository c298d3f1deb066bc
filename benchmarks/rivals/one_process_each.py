"""Run every argv of a JSON file in turn, a process each: tmux as scripts use it."""

import json
import subprocess
import sys
from pathlib import Path

for argv in json.loads(Path(sys.argv[1]).read_text()):
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
