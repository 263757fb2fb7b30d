"""The apr format for hub."""
