"""The methods that can be evaluated, behind one contract."""

from memedit.evaluate.methods.contract import Method, Plan
from memedit.evaluate.methods.registry import METHODS, make_method

__all__ = ["METHODS", "Method", "Plan", "make_method"]
