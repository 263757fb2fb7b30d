"""The runtime of hub: models of every format it reads, run by llama.cpp through llama-cpp-python.

Importing this package imports nothing heavy; `hub_runtime.engine` is the typed door to llama.cpp and
`hub_runtime.bridge` turns any model into a GGUF file that llama.cpp can map.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
