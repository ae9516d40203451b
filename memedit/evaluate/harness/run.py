"""lm-evaluation-harness's tasks on an edited model and on its base, compared item by item."""

from __future__ import annotations

import copy
import importlib.metadata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memedit.errors import EvaluationError
from memedit.evaluate.harness.comparison import compared
from memedit.evaluate.harness.quiet import quietly, seeded
from memedit.evaluate.harness.wrap import edited_lm

if TYPE_CHECKING:
    from lm_eval.models.huggingface import HFLM

    from memedit.pipeline import EditedModel

Task = str | Path | Mapping[str, Any]

SEED = 1234  # lm-eval's default for examples, NumPy and PyTorch


def run_tasks(
    edited: EditedModel,
    tasks: Task | Sequence[Task],
    *,
    include_path: str | Path | None = None,
    num_fewshot: int | None = None,
    limit: float | None = None,
    batch_size: int = 8,
    chat: bool = False,
    progress: bool = False,
) -> dict[str, Any]:
    """Runs tasks on the base model and on the edited one, and compares the two item by item.

    Both runs use the same loaded weights, documents, examples and seeds. During the runs the
    standard streams are silenced for the whole process; afterwards they, logging levels and the
    random states of Python, NumPy and PyTorch are as before.

    Args:
        edited: The edited model; its base has to be a local one.
        tasks: Names of tasks, groups or tags, YAML files, or configurations as lm-eval's YAML files
            hold them (``{"task": name, "dataset_path": "json", ...}``); one or several.
        include_path: A folder with further YAML tasks.
        num_fewshot: Examples before each question; the task's own number where None.
        limit: At most so many documents of each task; below 1, that share of them.
        batch_size: Requests in one forward pass.
        chat: Whether to apply the model's chat template, with the examples as earlier turns.
        progress: Whether lm-eval's progress bars show on stderr.

    Returns:
        A JSON-ready object: ``tasks``, ``groups`` and ``overall`` of
        :func:`memedit.evaluate.harness.comparison.compared`; ``warnings``, lm-eval's own as
        ``{"message", "count"}``; and what ran: ``model``, the memory's ``revision`` and number of
        live ``edits``, the ``lm_eval`` version, ``num_fewshot``, ``limit``, ``batch_size``,
        ``chat``.

    Raises:
        EvaluationError: A task cannot be loaded, or asks the two models different things.
        ModelError: lm-eval is not installed, or a model is no local one.
        UnknownNamespaceError: The memory's namespace has never been written to.
    """
    listed = [tasks] if isinstance(tasks, str | Path | Mapping) else list(tasks)
    if not listed:
        raise EvaluationError("tasks: there are none.", hint="Name at least one.")
    live = len(edited.memory)
    model = edited_lm(edited, batch_size=batch_size)
    from memedit.evaluate.harness.model import local, plain_lm  # lm-eval is there

    base = local("base", edited.base)
    plain = plain_lm(base, batch_size=batch_size)
    with quietly(progress) as warned, seeded(SEED):  # tasks may shuffle as they are loaded
        loaded = _loaded(listed, include_path, num_fewshot)
        with base.engine.using(base.adapter):
            before = _evaluated(plain, loaded, limit, chat)
        after = _evaluated(model, loaded, limit, chat)
    return {
        **compared(before, after, model.decisions),
        "warnings": warned,
        "model": base.model_name,
        "revision": edited.memory.revision,
        "edits": live,
        "lm_eval": importlib.metadata.version("lm_eval"),
        "num_fewshot": num_fewshot,
        "limit": limit,
        "batch_size": batch_size,
        "chat": chat,
    }


def _loaded(
    tasks: Sequence[Task], include_path: str | Path | None, num_fewshot: int | None
) -> dict[str, Any]:
    """The tasks with their data, as ``lm_eval.evaluate`` takes them."""
    specs = [copy.deepcopy(dict(t)) if isinstance(t, Mapping) else str(t) for t in tasks]
    try:
        loaded: dict[str, Any] = _manager(specs, include_path).load(specs)
    except Exception as error:  # a task may bring code of its own, which raises anything
        reason = next(iter(str(error).strip().splitlines()), "")
        raise EvaluationError(
            f"tasks: they cannot be loaded ({type(error).__name__}: {reason}).",
            hint="Check names, files and, for tasks on the hub, the network.",
        ) from error
    for task in loaded["tasks"].values():
        own = task.get_config("num_fewshot")
        # As on lm-eval's command line: a task that forbids examples by a 0 goes without.
        if own is None or (num_fewshot is not None and own != 0):
            task.set_config(key="num_fewshot", value=num_fewshot or 0)
    return loaded


def _manager(specs: Sequence[Any], include_path: str | Path | None) -> Any:
    """lm-eval's task index. Its own tasks take 10 s to read, so only where they are needed."""
    from lm_eval.tasks import TaskManager

    where = None if include_path is None else str(include_path)
    manager = TaskManager(include_path=where, include_defaults=False)
    names = {spec for spec in specs if isinstance(spec, str) and not Path(spec).is_file()}
    return manager if names <= set(manager.all_tasks) else TaskManager(include_path=where)


def _evaluated(
    model: HFLM, loaded: dict[str, Any], limit: float | None, chat: bool
) -> dict[str, Any]:
    """lm-eval's results, with every sample.

    This is the core of ``simple_evaluate``, without the description of the machine and of the
    folder's git state that it adds, and without the seeds it leaves set.
    """
    from lm_eval.evaluator import evaluate

    for task in loaded["tasks"].values():
        task.set_fewshot_seed(SEED)
    with seeded(SEED):
        results: dict[str, Any] = evaluate(
            lm=model,
            task_dict=loaded,
            limit=limit,
            bootstrap_iters=0,
            log_samples=True,
            apply_chat_template=chat,
            fewshot_as_multiturn=chat,
        )
    return results
