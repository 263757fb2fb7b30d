"""`python -m hub_conformance`: the same as `hub conformance`."""

import sys

from hub.cli import main

sys.exit(main(["conformance", *sys.argv[1:]]))
