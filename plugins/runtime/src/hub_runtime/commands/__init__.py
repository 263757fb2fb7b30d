"""The commands: one module each, importing nothing heavy until it runs."""
