"""The benchmark's modules lie beside one another in ``eval/`` and import each other by name."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "eval"))
