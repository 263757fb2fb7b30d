"""The conformance suite for formats of the hub."""
