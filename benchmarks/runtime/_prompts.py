"""Beginnings of texts that SmolLM2 goes on with for a while."""

from itertools import count

PROMPTS = (
    "Once upon a time, in a village by the sea, there lived",
    "The history of the steam engine begins with",
    "In the year 1849, thousands of people travelled to",
    "The city of Rome was founded",
    "The most important rivers of Europe are",
    "When the expedition reached the mountains, the captain",
    "Photosynthesis is the process by which",
    "The old lighthouse keeper looked at the storm and",
    "The first chapter of this book describes",
    "My grandmother always told me that",
    "The difference between a violin and a viola is",
    "To build a small wooden boat, you first need",
    "The night sky over the desert was full of",
    "Economists disagree about the causes of",
    "The train left the station at noon, and",
    "The main causes of the First World War were",
)


_numbers = count(100)


def fresh(many: int) -> list[str]:
    """As many prompts, none of which was given before: a server may remember what it computed for one that was."""
    return [f"{next(_numbers)}. {prompt}" for prompt in PROMPTS[:many]]
