"""Publishing models on the Hugging Face Hub: a plan that is printed or sent, then compared with what the Hub lists."""

from hub_sources.publishing._card import Card, Stated
from hub_sources.publishing._licence import Licence, licence
from hub_sources.publishing._models import Checked
from hub_sources.publishing._plan import Entry, Order, Publication, plan
from hub_sources.publishing._send import Sent, Where, send

__all__ = [
    "Card",
    "Checked",
    "Entry",
    "Licence",
    "Order",
    "Publication",
    "Sent",
    "Stated",
    "Where",
    "licence",
    "plan",
    "send",
]
