"""The safetensors format for hub."""
