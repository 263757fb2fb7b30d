"""Models where they run: each way of deploying one is a package of its own below this one.

It is installed without a runtime, and asks for one when a command needs it.
"""
