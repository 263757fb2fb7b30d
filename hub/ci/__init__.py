"""Continuous checking: a GitHub Actions workflow and pre-commit hooks for a repository that holds a model.

Both take their commands from one table (`steps`), so what a commit is held to is what a release is held to.
"""

from hub.ci._steps import HOOK, RELEASE, TEST, Setup, Step, secrets, steps
from hub.ci._write import HOOKS, WORKFLOW, Written, write

__all__ = [
    "HOOK",
    "HOOKS",
    "RELEASE",
    "TEST",
    "WORKFLOW",
    "Setup",
    "Step",
    "Written",
    "secrets",
    "steps",
    "write",
]
