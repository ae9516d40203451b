"""Edited models in lm-evaluation-harness: general ability, measured with the community's tasks.

:func:`run_tasks` compares an edited model with its base; :func:`edited_lm` and :func:`register`
give the harness a model of its own kind, :class:`memedit.evaluate.harness.model.EditedLM`. They
need the extra ``lm-eval`` (``pip install 'memedit[lm-eval]'``), which is imported when they are
called.
"""

from memedit.evaluate.harness.run import run_tasks
from memedit.evaluate.harness.wrap import MODEL_NAME, edited_lm, register

__all__ = ["MODEL_NAME", "edited_lm", "register", "run_tasks"]
