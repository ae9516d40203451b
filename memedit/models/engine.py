"""One loaded transformers model and tokenizer: token ids in, token ids and scores out.

Everything that touches the weights happens here, one call at a time under one lock, with the
adapter that this call asks for. LangChain's view of it is :mod:`memedit.models.local`.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import queue
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from transformers import StoppingCriteriaList

from memedit.errors import ModelError
from memedit.models.adapters import load_into
from memedit.models.decoding import (
    Decoding,
    Generated,
    Watch,
    batches,
    cut_at,
    sampling,
    settled,
)
from memedit.models.tokens import Tokens

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger(__name__)


class Score(NamedTuple):
    """A continuation's log-probability (nats, summed over its tokens) and its token count."""

    log_prob: float
    tokens: int


class LocalEngine:
    """A causal language model with its tokenizer; safe to use from several threads.

    Args:
        model: The loaded model. It is put into evaluation mode and left on its device.
        tokenizer: Its tokenizer.
        name: What the model is called in answers and errors.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str
    ) -> None:
        self.model = cast("PreTrainedModel", model.train(mode=False))
        self.tokens = Tokens(tokenizer, name, self.model.generation_config.eos_token_id)
        self.name = name
        self.adapters: tuple[str, ...] = ()
        self._active: str | None = None
        self._weights_lock = threading.RLock()

    # -- generation ------------------------------------------------------------------------------

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        how: Decoding,
        *,
        adapter: str | None = None,
        keep_logits: bool = False,
    ) -> list[Generated]:
        """One continuation for each prompt, batched by alike lengths.

        Args:
            prompts: Token ids of each prompt.
            how: How to generate.
            adapter: The adapter to use; None for the plain model.
            keep_logits: Whether to return the logits of each step.

        Returns:
            The continuations in the order of the prompts.

        Raises:
            ModelError: A prompt leaves no room in the model's context.
        """
        results: dict[int, Generated] = {}
        for rows in batches([len(prompt) for prompt in prompts]):
            chosen = [prompts[row] for row in rows]
            done = self._generate_batch(chosen, how, adapter, keep_logits=keep_logits)
            results.update(zip(rows, done, strict=True))
        return [results[row] for row in range(len(prompts))]

    def stream(
        self, prompt: Sequence[int], how: Decoding, *, adapter: str | None = None
    ) -> Iterator[str | Generated]:
        """The pieces of one continuation's text as they come, and at last the whole.

        The pieces joined are the text :meth:`generate` gives. Generation runs in a thread of its
        own, which alone holds the lock, so the iterator may be driven from changing threads;
        closing it early ends the generation.
        """
        items: queue.Queue[str | Generated | BaseException] = queue.Queue()
        cancelled = threading.Event()

        def work() -> None:
            try:
                [whole] = self._generate_batch(
                    [prompt], how, adapter, on_text=items.put, cancelled=cancelled
                )
                items.put(whole)
            except BaseException as error:  # noqa: BLE001 - raised again by the reader
                items.put(error)

        threading.Thread(target=work, name="memedit-stream", daemon=True).start()
        sent = 0
        try:
            while True:
                item = items.get()
                if isinstance(item, BaseException):
                    raise item
                text = item.text if isinstance(item, Generated) else settled(item, how.stop)
                if len(text) > sent:
                    yield text[sent:]
                    sent = len(text)
                if isinstance(item, Generated):
                    yield item
                    return
        finally:
            cancelled.set()

    def _generate_batch(
        self,
        prompts: Sequence[Sequence[int]],
        how: Decoding,
        adapter: str | None,
        *,
        keep_logits: bool = False,
        on_text: Callable[[str], None] | None = None,
        cancelled: threading.Event | None = None,
    ) -> list[Generated]:
        ids, mask = self.tokens.padded(prompts, self.model.device, side="left")
        watch = Watch(self.tokens.decode, ids.shape[1], how.stop, on_text, cancelled)
        with self.using(adapter), torch.inference_mode():
            out = cast(Any, self.model).generate(
                ids,
                attention_mask=mask,
                generation_config=self._generation_config(how, ids.shape[1], keep_logits),
                stopping_criteria=StoppingCriteriaList([watch]),
                logits_processor=sampling(how, len(prompts)),
            )
        logits = torch.stack(out.logits, dim=1).float().cpu() if keep_logits else None
        new = out.sequences[:, ids.shape[1] :].tolist()
        return [
            self._finished(row, watch.ends.get(i), how.stop, None if logits is None else logits[i])
            for i, row in enumerate(new)
        ]

    def _finished(
        self, ids: list[int], end: int | None, stop: tuple[str, ...], logits: torch.Tensor | None
    ) -> Generated:
        """One row of a batch without the padding behind its end."""
        last = next((i + 1 for i, token in enumerate(ids) if token in self.tokens.end_ids), None)
        length = min(n for n in (last, end, len(ids)) if n is not None)
        text = self.tokens.decode(ids[:length])
        return Generated(
            ids=tuple(ids[:length]),
            text=cut_at(text, stop),
            finish_reason="length" if last is None and end is None else "stop",
            logits=None if logits is None else logits[:length],
        )

    def _generation_config(
        self, how: Decoding, prompt_length: int, keep_logits: bool
    ) -> GenerationConfig:
        """The model's own configuration, with the decoding that is asked for."""
        limit = getattr(self.model.config, "max_position_embeddings", None)
        if limit and prompt_length >= limit:
            raise ModelError(
                f"messages: they have {prompt_length:,} tokens; {self.name!r} reads at most "
                f"{limit - 1:,}.",
                hint="Shorten them.",
            )
        room = limit - prompt_length if limit else how.max_tokens
        config: Any = copy.deepcopy(self.model.generation_config)
        config.do_sample = False
        config.num_beams = 1
        # A model's own sampling defaults would bring a warning with each greedy answer.
        config.temperature, config.top_p, config.top_k = 1.0, 1.0, 50
        config.max_length = None
        config.max_new_tokens = min(how.max_tokens, room)
        config.pad_token_id = self.tokens.pad_id
        config.output_logits = keep_logits
        config.return_dict_in_generate = True
        return cast("GenerationConfig", config)

    # -- scores ----------------------------------------------------------------------------------

    def score(
        self,
        prompts: Sequence[str],
        continuations: Sequence[str],
        *,
        adapter: str | None = None,
    ) -> list[Score]:
        """How likely each continuation is after its prompt, as plain text without chat turns.

        Prompt and continuation are encoded as one text; a token that straddles their border
        counts as the continuation's.

        Args:
            prompts: The texts before.
            continuations: The texts after, one for each prompt, with their leading space.
            adapter: The adapter to use; None for the plain model.

        Returns:
            One score for each pair, in order.

        Raises:
            ModelError: A continuation has no token of its own, or nothing stands before it.
        """
        pairs = [self.tokens.joined(p, c) for p, c in zip(prompts, continuations, strict=True)]
        scores: dict[int, Score] = {}
        for rows in batches([len(ids) for ids, _ in pairs]):
            ids, mask = self.tokens.padded(
                [pairs[row][0] for row in rows], self.model.device, side="right"
            )
            with self.using(adapter), torch.inference_mode():
                logits = self.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
            for i, row in enumerate(rows):
                tokens, begin = pairs[row]
                steps = logits[i, begin - 1 : len(tokens) - 1].float().log_softmax(-1)
                chosen = steps.gather(1, ids[i, begin : len(tokens), None])
                scores[row] = Score(float(chosen.sum()), len(tokens) - begin)
        return [scores[row] for row in range(len(pairs))]

    # -- adapters --------------------------------------------------------------------------------

    def add_adapter(self, path: Path, name: str) -> None:
        """Loads a PEFT adapter beside the weights; nothing uses it until it is asked for.

        Raises:
            ModelError: See :func:`memedit.models.adapters.load_into`.
        """
        with self.using(None):
            if name in self.adapters or not re.fullmatch(r"[\w-]+", name):
                raise ModelError(
                    f"adapter: {name!r} is taken or not a name.",
                    hint="Choose another one of letters, digits, '_' and '-'.",
                )
            load_into(self.model, path, name)
            self.adapters = (*self.adapters, name)

    def check_adapter(self, name: str | None) -> None:
        """Raises ModelError unless the adapter is loaded (None always is)."""
        if name is not None and name not in self.adapters:
            raise ModelError(
                f"adapter: {name!r} is not loaded.",
                hint=f"Loaded are: {', '.join(self.adapters) or 'none'}.",
            )

    @contextlib.contextmanager
    def using(self, adapter: str | None) -> Iterator[PreTrainedModel]:
        """The model for exclusive use, with one adapter on, or with none.

        Without an adapter the layers are called as if none had ever been loaded, so logits are
        bit-identical to the plain model's. Outside all such blocks no adapter is on.

        Raises:
            ModelError: No adapter of this name is loaded.
        """
        self.check_adapter(adapter)
        with self._weights_lock:
            before = self._active
            self._switch(adapter)
            try:
                yield self.model
            finally:
                self._switch(before)

    def _switch(self, adapter: str | None) -> None:
        if adapter == self._active:
            return
        if adapter is None:
            self.model.disable_adapters()
        else:
            self.model.set_adapter(adapter)
            self.model.enable_adapters()
        self._active = adapter
