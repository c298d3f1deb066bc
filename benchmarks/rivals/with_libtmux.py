"""Start one session in each directory of a JSON file, as libtmux is used."""

import json
import sys
from pathlib import Path

from libtmux import Server

server = Server(socket_path=sys.argv[1])
for number, directory in enumerate(json.loads(Path(sys.argv[2]).read_text())):
    server.new_session(
        session_name=f"bench-{number}",
        start_directory=directory,
        window_command="sleep infinity",
        x=200,
        y=50,
    )
