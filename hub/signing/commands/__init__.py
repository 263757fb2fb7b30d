"""The commands of this package; each is an entry point of the group `hub.v1.commands`."""
