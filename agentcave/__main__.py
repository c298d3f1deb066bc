"""``python -m agentcave``."""

import sys

from agentcave.cli.main import main

sys.exit(main())
