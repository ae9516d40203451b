"""Training the counterfactual adapter: records to tasks, tasks to examples, examples to LoRA."""

from memedit.train.counterfactual.obedience import Obedience, obedience
from memedit.train.counterfactual.training import Settings, Trained, train

__all__ = ["Obedience", "Settings", "Trained", "obedience", "train"]
