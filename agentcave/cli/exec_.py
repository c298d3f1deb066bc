"""``agentcave exec``: a command in a cave's workspace and environment."""

import argparse
import os
from contextlib import closing

from agentcave import config
from agentcave.apply.environment import compose
from agentcave.apply.secrets import Secrets
from agentcave.cli import project as projects
from agentcave.cli.trusting import check_trust
from agentcave.errors import CaveError, Unavailable, UsageError
from agentcave.hosts import LocalHost
from agentcave.model.spec import CaveSpec, ProjectSpec


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cave", metavar="CAVE")
    parser.add_argument("--secrets", action="store_true", help="resolve the cave's secrets too")
    parser.epilog = "The command follows after `--`: agentcave exec api -- npm test"


def run(args: argparse.Namespace) -> int:
    if not args.argv:
        raise UsageError("there is no command", f"agentcave exec {args.cave} -- COMMAND …")
    located = projects.require(projects.locate(args, changes=True))
    document = projects.load(located)
    names = config.select(document, [args.cave], dependencies=False)
    if len(names) != 1:
        raise UsageError(f"{args.cave} is several caves", f"say which: {', '.join(names)}")
    with closing(projects.state_for_writing(document.name, document.uid, document.file)) as state:
        check_trust(args, located, document, state)
    spec = projects.resolve(document, names)
    cave = spec.caves[0]
    environment = compose(
        dict(os.environ), cave, {**spec.env, **cave.environment}, _secrets(args, spec, cave)
    )
    environment |= {
        "AGENTCAVE_PROJECT": spec.name,
        "AGENTCAVE_CAVE": cave.name,
        "AGENTCAVE_SOCKET": projects.server(args).handed(os.environ),
    }
    return _become(args.argv, cave, environment)


def _secrets(args: argparse.Namespace, spec: ProjectSpec, cave: CaveSpec) -> dict[str, str]:
    if not args.secrets:
        return {}
    import anyio

    secrets = Secrets(LocalHost(), os.environ, spec.directory)
    return anyio.run(secrets.values, cave.secrets)


def _become(argv: list[str], cave: CaveSpec, environment: dict[str, str]) -> int:
    try:
        os.chdir(cave.workspace.path)
    except OSError as exc:
        raise CaveError(
            f"cannot enter {cave.workspace.path}: {exc.strerror}", "`agentcave up` makes it"
        ) from exc
    program = LocalHost().which(argv[0], environment.get("PATH", os.defpath))
    if program is None:
        raise Unavailable(f"{argv[0]} is not installed, or not in the PATH of cave {cave.name}")
    os.execve(program, argv, environment)
