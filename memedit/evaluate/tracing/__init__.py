"""Tracing over data sets: which prompts, run by run, averages with intervals, and their report."""
