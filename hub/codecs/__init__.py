"""Blocks to values and back, in NumPy.

`decode` and `encode` work on whole rows; `Recoded` and `Shifted` are storage whose rows are computed on the fly.
"""
