"""A hub that converts, checks and compares machine-learning models across formats, exactly and verified."""

__version__ = "0.1.0"
