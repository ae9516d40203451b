"""Scope: which edit, if any, a query falls under."""
