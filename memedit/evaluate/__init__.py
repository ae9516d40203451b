"""Evaluation: data sets, methods, metrics, protocols, runs and reports."""
