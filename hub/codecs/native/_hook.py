"""Hatchling's part in it: a wheel carries the kernels where they could be built, and is pure Python otherwise."""

from __future__ import annotations

import runpy
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class KernelsHook(BuildHookInterface):  # type: ignore[misc]  # hatchling is there when building only
    """Builds the kernels before files are collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and mark the wheel as one for this platform."""
        made = runpy.run_path(str(Path(__file__).with_name("_build.py")))["build"]()
        if made is None:
            return
        system = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{system}"
        build_data["artifacts"].append(f"hub/codecs/native/{made.name}")
