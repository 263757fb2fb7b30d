"""The gguf format for hub."""
