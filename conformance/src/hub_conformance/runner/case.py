"""The one test class of a child process: the whole suite on the format that the parent names."""

from __future__ import annotations

import json
import os

from hub_conformance.suite import FormatConformance

_TASK = json.loads(os.environ["HUB_CONFORMANCE"])


class TestFormat(FormatConformance):
    """Every test, on one format."""

    format = _TASK["format"]
    peers = None if _TASK["peers"] is None else tuple(_TASK["peers"])
    guests = None if _TASK["guests"] is None else tuple(_TASK["guests"])
