"""The ``mello`` strategy: a capable model takes a question apart in prompts."""

from memedit.multihop.mello.budget import Budget, Spent
from memedit.multihop.mello.dialogue import Retrieved
from memedit.multihop.mello.remote import Patience
from memedit.multihop.mello.strategy import Limits, Mello, Run

__all__ = ["Budget", "Limits", "Mello", "Patience", "Retrieved", "Run", "Spent"]
