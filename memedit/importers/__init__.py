"""Edits from files: our own JSONL and the benchmarks' schemas."""

from memedit.importers.load import ImportSummary, LoadedEdits, load_edits
from memedit.importers.schemas import FORMATS

__all__ = ["FORMATS", "ImportSummary", "LoadedEdits", "load_edits"]
