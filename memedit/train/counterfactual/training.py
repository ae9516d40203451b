"""``memedit train counterfactual``: from records to an adapter that has been measured.

The work lies in ``OUT.training`` until the adapter is done: the examples, with what the base model
said, and the latest checkpoint. Stopped at any time, the same call goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field

from memedit.errors import TrainingError
from memedit.models.adapters import Base, Card, read_card
from memedit.models.load import load_local_model
from memedit.models.local import LocalChatModel
from memedit.models.roles import Role, trained_role
from memedit.settings import DEFAULT_MODEL
from memedit.train.checkpoint import Checkpoint
from memedit.train.counterfactual.examples import Example, encode, messages_of
from memedit.train.counterfactual.fitting import FitSettings, Progress, Watch, fit, with_adapter
from memedit.train.counterfactual.invented import invented_records, swapped_records
from memedit.train.counterfactual.obedience import MAX_TOKENS, Obedience, obedience
from memedit.train.counterfactual.saving import base_of, save, with_figures
from memedit.train.counterfactual.tasks import KINDS, Task, draw, pools
from memedit.train.sources import Record
from memedit.train.split import bucket
from memedit.train.wordings import bank_entries

# The role as the adapter learns it.
ROLE = Role(name="counterfactual", prompt="counterfactual_adapter")

_HELD_ONE_IN = 25  # of the training subjects, only looked at
_HELD = 240  # how many of their tasks


class Settings(BaseModel):
    """What is trained on what; the defaults are those of the shipped adapter.

    Args:
        model: A name for :func:`memedit.models.load.load_local_model`.
        device: Where it runs.
        examples: How many examples, in the shares of the kinds.
        without: Kinds to leave out.
        bank: Whether to learn from edits invented from the bank of relations as well.
        longest: Longer examples are left out, in tokens.
        probes: How many development tasks of each kind are measured in the end; 0 for none.
        fit: How the adapter is fitted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = DEFAULT_MODEL
    device: str = "auto"
    examples: int = Field(12000, ge=1)
    without: tuple[str, ...] = ()
    bank: bool = True
    longest: int = Field(320, ge=8)
    probes: int = Field(100, ge=0)
    fit: FitSettings = FitSettings()


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        path: The adapter's folder.
        card: What the adapter says about itself.
        progress: How the training went; None where it had been done before.
        results: What was measured, by kind; empty where it had been done before.
    """

    path: Path
    card: Card
    progress: Progress | None
    results: tuple[Obedience, ...]


def train(records: Sequence[Record], out: Path, settings: Settings, watch: Watch) -> Trained:
    """Trains an adapter, or goes on with a training that was stopped.

    Args:
        records: Training and development records together (see :mod:`memedit.train.sources`); what
            is kept for development is only measured.
        out: The adapter's folder; written when it is done.
        settings: What to train.
        watch: Called after every step.

    Raises:
        TrainingError: There is nothing to learn from, or ``out`` holds something else.
        ModelError: The model cannot be loaded.
    """
    kinds = _kinds(settings)
    learnt, held = _tasks(records, settings, kinds)
    model = load_local_model(settings.model, device=settings.device)
    base = base_of(model.engine.model, settings.model)
    key = _key(base, settings, [*learnt, *held])
    work = out.with_name(f"{out.name}.training")
    card, progress = _finished(out, key), None
    if card and not work.exists():
        return Trained(out, card, None, ())
    if card is None:
        work.mkdir(parents=True, exist_ok=True)
        _prepare(model)
        examples, looked_at = _examples(model, learnt, held, settings, work / "examples.json", key)
        network = with_adapter(model.engine.model, settings.fit)
        checkpoint = Checkpoint(work / "checkpoint.pt", key)
        progress = fit(network, examples, looked_at, settings.fit, checkpoint, watch)
        card = save(network, out, ROLE, base, _told(key, settings, learnt, examples, progress))
    results = _measured(records, out, settings, kinds)
    card = with_figures(out, card, {result.kind: result.to_dict() for result in results})
    shutil.rmtree(work)
    return Trained(out, card, progress, tuple(results))


def _kinds(settings: Settings) -> list[str]:
    unknown = sorted(set(settings.without) - set(KINDS))
    if unknown:
        raise TrainingError(
            f"without: there is no kind {unknown[0]!r}.", hint=f"There are: {', '.join(KINDS)}."
        )
    return [kind for kind in KINDS if kind not in settings.without]


def _tasks(
    records: Sequence[Record], settings: Settings, kinds: Sequence[str]
) -> tuple[list[Task], list[Task]]:
    """The tasks to learn, and those of a few training subjects that are only looked at."""
    seed = settings.fit.seed
    training = [record for record in records if not record.dev]
    training += swapped_records(training, seed)
    if training and settings.bank:
        training += invented_records(bank_entries(), seed)
    by_side: dict[bool, list[Record]] = {False: [], True: []}
    for record in training:
        words = record.edit.subject or record.edit.stated
        by_side[bucket(words, of=_HELD_ONE_IN) == 1].append(record)
    found = pools(by_side[False], seed)
    learnt = draw({kind: found[kind] for kind in kinds}, settings.examples, seed)
    if not by_side[True]:
        return learnt, []
    spare = {kind: pool for kind, pool in pools(by_side[True], seed).items() if pool}
    return learnt, draw({k: spare[k] for k in kinds if k in spare}, _HELD, seed)


def _key(base: Base, settings: Settings, tasks: Sequence[Task]) -> str:
    """What a training is: other weights, tasks or settings are another one."""
    fields = settings.model_dump(mode="json", exclude={"device", "probes"})
    del fields["fit"]["minutes"], fields["fit"]["every"]  # they may change when it goes on
    digest = hashlib.sha256(json.dumps([base.fingerprints, fields]).encode())
    for task in tasks:
        digest.update("\0".join((task.form, *task.words)).encode())
    return digest.hexdigest()


def _finished(out: Path, key: str) -> Card | None:
    """The card of a training that has been done already; None where ``out`` is free."""
    if not out.exists():
        return None
    card = read_card(out)
    if card is None or card.trained.get("key") != key:
        raise TrainingError(
            f"out: {str(out)!r} already holds something else.",
            hint="Give another folder, or delete that one.",
        )
    return card


def _prepare(model: LocalChatModel) -> None:
    """The fastest way to compute on this device: half the bits, and plain attention on a CPU."""
    network: Any = model.engine.model
    if network.device.type == "cpu":
        fast = torch.cpu.get_capabilities().get("amx_bf16", False)
        # PyTorch's fused attention takes longer than its parts for short texts with a gradient.
        network.set_attn_implementation("eager")
    else:
        fast = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    if fast:
        network.to(torch.bfloat16)


def _examples(
    model: LocalChatModel,
    learnt: Sequence[Task],
    held: Sequence[Task],
    settings: Settings,
    file: Path,
    key: str,
) -> tuple[list[Example], list[Example]]:
    """Both sides as examples; kept in a file, since the base model had to be asked."""
    if file.is_file():
        kept = json.loads(file.read_text("utf-8"))
        if kept["key"] == key:
            return _read(kept["learnt"]), _read(kept["held"])
        raise TrainingError(
            f"out: {str(file.parent)!r} holds the work of another training.",
            hint="Give the settings it was begun with, or delete that folder to begin anew.",
        )
    longest = _longest(model, settings)
    sides = [encode(model, ROLE, tasks, longest=longest) for tasks in (learnt, held)]
    if not sides[0]:
        raise TrainingError(
            f"longest: no example has {longest} tokens or fewer.", hint="Give a larger number."
        )
    rows = [[asdict(example) for example in side] for side in sides]
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps({"key": key, "learnt": rows[0], "held": rows[1]}), "utf-8")
    partial.replace(file)
    return sides[0], sides[1]


def _read(rows: Sequence[dict[str, Any]]) -> list[Example]:
    return [
        Example(r["kind"], tuple(r["prompt"]), tuple(r["answer"]), tuple(r["plain"])) for r in rows
    ]


def _told(
    key: str,
    settings: Settings,
    tasks: Sequence[Task],
    examples: Sequence[Example],
    progress: Progress,
) -> dict[str, Any]:
    """What the card says about the training."""
    return {
        "key": key,
        "settings": settings.model_dump(mode="json"),
        "examples": dict(Counter(example.kind for example in examples)),
        "families": dict(Counter(task.family for task in tasks)),
        "steps": progress.step,
        "seconds": round(progress.seconds),
        "loss": round(progress.loss, 4),
        "held": {
            str(step): {kind: round(loss, 4) for kind, loss in losses.items()}
            for step, losses in progress.held.items()
        },
        "date": time.strftime("%Y-%m-%d"),
        "machine": platform.machine(),
        "torch": torch.__version__,
    }


def _measured(
    records: Sequence[Record], out: Path, settings: Settings, kinds: Sequence[str]
) -> list[Obedience]:
    """Obedience on development tasks, with the base in the number format it is stored in."""
    dev = [record for record in records if record.dev]
    if not settings.probes or not dev:
        return []
    found = {kind: pool for kind, pool in pools(dev).items() if pool and kind in kinds}
    base = load_local_model(settings.model, device=settings.device)
    role = trained_role(base, out)
    room = _longest(base, settings) - MAX_TOKENS
    tasks = draw(found, settings.probes, 0, each=True)
    fitting = [t for t in tasks if len(base.prompt_ids(messages_of(t, role))) <= room]
    return obedience(base, role, fitting)


def _longest(model: LocalChatModel, settings: Settings) -> int:
    """The most tokens of an example: what the settings say, and what the model can read."""
    limit = getattr(model.engine.model.config, "max_position_embeddings", None)
    return min(settings.longest, limit or settings.longest)
