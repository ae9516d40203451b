"""The methods that can be evaluated, behind one contract."""

from memedit.evaluate.methods.contract import Method, Plan
from memedit.evaluate.methods.registry import METHODS, check_method, make_method

__all__ = ["METHODS", "Method", "Plan", "check_method", "make_method"]
