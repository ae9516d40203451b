"""The model class that lm-evaluation-harness runs. Importing this module needs lm-eval.

What it computes:

- ``loglikelihood`` and ``generate_until``: the memory routes the question. All requests, unchanged
  and together, first go through lm-eval's own ``HFLM``; batches, and with them every bit of the
  results, are those of a run without memedit, and out of scope these results stand. Requests in
  scope are computed once more, with the edit before the question, and that result counts.
- ``loglikelihood_rolling``: never edited, since it scores a text and asks nothing.

Routed is what the document itself asks, not the description or the examples that may stand before
it (:func:`~memedit.evaluate.harness.question.own_question`). An empty context asks nothing and is
out of scope.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lm_eval.models.huggingface import HFLM
from lm_eval.utils import simple_parse_args_string

from memedit.errors import ModelError
from memedit.evaluate.harness.question import own_question, with_facts
from memedit.evaluate.harness.quiet import only_errors
from memedit.memory import EditMemory
from memedit.models.load import load_local_model
from memedit.models.local import LocalChatModel
from memedit.pipeline import EditedModel
from memedit.scope.classifier import MAX_QUERY_CHARS
from memedit.scope.decision import Decision
from memedit.settings import DEFAULT_MODEL

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

# Task, number of the document, number of its request (a choice, for multiple-choice tasks).
RequestKey = tuple[str | None, int | None, int]

_OWN_ARGS = ("store", "model", "namespace", "threshold", "device")
_HFLM_ARGS = ("batch_size", "max_batch_size", "max_length")


class EditedLM(HFLM):  # type: ignore[misc]  # lm-eval has no types
    """An edited model for lm-evaluation-harness.

    Args:
        edited: The edited model. Base and counterfactual model have to be local ones.
        **options: ``HFLM``'s, such as ``batch_size``.

    Attributes:
        edited: The edited model.
        decisions: The scope decision of each request that has been routed.

    Raises:
        ModelError: A model is no local one.
    """

    def __init__(self, edited: EditedModel, **options: Any) -> None:
        self.edited = edited
        self.decisions: dict[RequestKey, Decision] = {}
        self._base = local("base", edited.base)
        self._counterfactual = local("counterfactual", edited.counterfactual)
        self._conversations: dict[str, tuple[list[dict[str, str]], bool]] = {}
        with only_errors("lm_eval"), self._base.engine.using(None):
            super().__init__(**_weights_and_tokenizer(self._base), **options)
        self._in_scope = plain_lm(self._counterfactual, **options)

    @classmethod
    def create_from_arg_string(
        cls, arg_string: str, additional_config: dict[str, Any] | None = None
    ) -> EditedLM:
        """The model of ``"store=edits.db,model=smollm2,..."``, as ``simple_evaluate`` makes it.

        See :func:`memedit.evaluate.harness.register` for the arguments.

        Raises:
            MemEditError: An argument is unknown, or store or model cannot be opened.
        """
        return cls.create_from_arg_obj(simple_parse_args_string(arg_string), additional_config)

    @classmethod
    def create_from_arg_obj(
        cls, arg_dict: dict[str, Any], additional_config: dict[str, Any] | None = None
    ) -> EditedLM:
        """The same from a dictionary."""
        more = {k: v for k, v in (additional_config or {}).items() if v is not None}
        options = {**arg_dict, **more}
        own = {name: options.pop(name) for name in _OWN_ARGS if name in options}
        unknown = sorted(options.keys() - set(_HFLM_ARGS))
        if unknown:
            raise ModelError(
                f"model_args: there is no argument {unknown[0]!r}.",
                hint=f"Arguments are {', '.join((*_OWN_ARGS, *_HFLM_ARGS))}.",
            )
        return cls(_opened(**own), **options)

    # -- what the harness calls ------------------------------------------------------------------

    def loglikelihood(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        """Log-probability (nats) of each continuation, and whether it is the greedy one."""
        with self._base.engine.using(self._base.adapter):
            results: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm)
        self._put_edited_results(results, requests, "loglikelihood")
        return results

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """The text that each context is continued with."""
        with self._base.engine.using(self._base.adapter):
            results: list[str] = super().generate_until(requests, disable_tqdm)
        self._put_edited_results(results, requests, "generate_until")
        return results

    def loglikelihood_rolling(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[float]:
        """Log-probability (nats) of whole texts: the base model's, since nothing is asked."""
        with self._base.engine.using(self._base.adapter):
            results: list[float] = super().loglikelihood_rolling(requests, disable_tqdm)
        return results

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """A conversation as text; it is remembered, so that its question can be found."""
        text: str = super().apply_chat_template(chat_history, add_generation_prompt)
        self._conversations[text] = (chat_history, add_generation_prompt)
        return text

    def set_cache_hook(self, cache_hook: Any) -> None:
        """Refuses: lm-eval files answers by their prompts, so they would outlive the edits."""
        raise ModelError(
            "use_cache: an edited model's answers change with its memory.",
            hint="Run without a cache of responses.",
        )

    # -- in scope --------------------------------------------------------------------------------

    def _put_edited_results(
        self, results: list[Any], requests: Sequence[Instance], method: str
    ) -> None:
        """Replaces the results of the requests in scope by those under their edits."""
        decided = self._decided(requests)
        rows = [row for row, decision in decided.items() if decision.edits]
        if not rows:
            return
        changed = [self._changed(requests[row], decided[row]) for row in rows]
        with self._counterfactual.engine.using(self._counterfactual.adapter):
            edited = getattr(self._in_scope, method)(changed)
        for row, result in zip(rows, edited, strict=True):
            results[row] = result

    def _decided(self, requests: Sequence[Instance]) -> dict[int, Decision]:
        """The decision for each request that asks something, by its row."""
        route = functools.cache(self.edited.route)  # the choices of a question share a decision
        decided: dict[int, Decision] = {}
        for row, request in enumerate(requests):
            text, start = self._asking(request)
            question = text[start:][-MAX_QUERY_CHARS:]
            if question.strip():
                decided[row] = route(question)
                self.decisions[request.task_name, request.doc_id, request.idx] = decided[row]
        return decided

    def _asking(self, request: Instance) -> tuple[str, int]:
        """The text that asks, the context or its last user turn, and where the question begins."""
        text = request.args[0]
        if text in self._conversations:
            history, _ = self._conversations[text]
            text = history[_last_user_turn(history)]["content"]
        return text, own_question(text, request.doc)

    def _changed(self, request: Instance, decision: Decision) -> Instance:
        """The request with the edits before its question."""
        text = with_facts(*self._asking(request), decision.edits)
        context, *others = request.args
        if context in self._conversations:
            history, add_prompt = self._conversations[context]
            turns = [dict(turn) for turn in history]
            turns[_last_user_turn(turns)]["content"] = text
            text = super().apply_chat_template(turns, add_prompt)
        return replace(request, arguments=(text, *others))


def plain_lm(model: LocalChatModel, **options: Any) -> HFLM:
    """A local model as lm-eval's own ``HFLM``, on the weights that are loaded already."""
    with only_errors("lm_eval"), model.engine.using(None):
        return HFLM(**_weights_and_tokenizer(model), **options)


def local(role: str, model: Any) -> LocalChatModel:
    """``model`` where it is a local one.

    Raises:
        ModelError: It is not; the message calls it by its ``role``.
    """
    if not isinstance(model, LocalChatModel):
        raise ModelError(
            f"{role}: lm-eval needs log-likelihoods, which a {type(model).__name__} cannot give.",
            hint="Use a local model.",
        )
    return model


def _weights_and_tokenizer(model: LocalChatModel) -> dict[str, Any]:
    """What an ``HFLM`` is made of. It changes its tokenizer, so it gets one of its own."""
    engine = model.engine
    return {"pretrained": engine.model, "tokenizer": copy.deepcopy(engine.tokens.tokenizer)}


def _last_user_turn(history: Sequence[Mapping[str, str]]) -> int:
    return max(i for i, turn in enumerate(history) if turn["role"] == "user")


def _opened(
    store: Any = None,
    model: Any = DEFAULT_MODEL,
    namespace: Any = "default",
    threshold: float | None = None,
    device: str = "auto",
) -> EditedModel:
    """The edited model that ``model_args`` name; lm-eval makes numbers of names like ``2024``."""
    if store is None:
        raise ModelError("model_args: no store is given.", hint="Write store=PATH.")
    memory = EditMemory.open(str(store), namespace=str(namespace), create=False, read_only=True)
    len(memory)  # refuses a namespace that does not exist, which would pass for the base model
    return EditedModel(load_local_model(str(model), device=device), memory, threshold=threshold)
