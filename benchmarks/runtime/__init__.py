"""How fast the runtime is beside llama.cpp's own programs, in one run: `python -m benchmarks.runtime --help`."""
