"""Where a model is to run, as `--target` names it, and what a file must be like for that."""

from hub.targets._table import TARGETS, DeploymentTarget, named

__all__ = ["TARGETS", "DeploymentTarget", "named"]
