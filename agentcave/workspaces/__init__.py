"""Where caves work: git worktrees, clones and plain directories."""

from agentcave.workspaces.git import GitFailed as GitFailed
from agentcave.workspaces.ignore import ensure_ignored as ensure_ignored
from agentcave.workspaces.ignore import is_ignored as is_ignored
from agentcave.workspaces.observe import observe as observe
from agentcave.workspaces.removable import obstacles as obstacles
from agentcave.workspaces.removal import finish_removals as finish_removals
from agentcave.workspaces.removal import remove as remove
from agentcave.workspaces.status import GitState as GitState
from agentcave.workspaces.status import git_state as git_state
from agentcave.workspaces.workspace import CONCURRENCY as CONCURRENCY
from agentcave.workspaces.workspace import create as create
