"""The data sets: one small reader each, streaming, from a path or the hub."""

from memedit.evaluate.datasets.registry import DataSet, load_dataset, names, reader
from memedit.evaluate.datasets.source import DataSetError

__all__ = ["DataSet", "DataSetError", "load_dataset", "names", "reader"]
