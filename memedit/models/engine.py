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
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from transformers import StoppingCriteriaList

from memedit.errors import ModelError
from memedit.models.adapters import load_into
from memedit.models.decoding import (
    BATCH_ROWS,
    Decoding,
    Generated,
    Watch,
    batches,
    cut_at,
    sampling,
    settled,
)
from memedit.models.scoring import Score, score_of, score_stems, stems
from memedit.models.together import (
    LEAST_PREFIX,
    SAFE_MARGIN,
    Prefix,
    Row,
    can_decode_together,
    decode_together,
    keeps_everything,
    read_prefix,
    shared_prefix,
    shares,
)
from memedit.models.tokens import Tokens, padded

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger(__name__)

T = TypeVar("T")

# How much shares one forward pass, by kind of device: rows, and tokens with those to come. On two
# cores 64 rows make a step about four times as long as one row does; more rows gain nothing.
_CPU_SHARE = (64, 16_384)
_ACCELERATOR_SHARE = (512, 65_536)


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
        # Takes bakes off for the time of a block; what bakes puts its own here.
        self.own_weights: Callable[[], contextlib.AbstractContextManager[None]]
        self.own_weights = contextlib.nullcontext

    # -- generation ------------------------------------------------------------------------------

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        how: Decoding,
        *,
        adapter: str | None = None,
        keep_logits: bool = False,
        exact: bool = False,
        prefix: Prefix | None = None,
    ) -> list[Generated]:
        """One continuation for each prompt, batched by alike lengths.

        Greedy rows are decoded together, what they all begin with read once.

        Args:
            prompts: Token ids of each prompt.
            how: How to generate.
            adapter: The adapter to use; None for the plain model.
            keep_logits: Whether to return the logits of each step.
            exact: Whether each text must be the one its prompt gets alone: rows in which two
                tokens came within :data:`~memedit.models.together.SAFE_MARGIN` of each other, and
                everything below float32, are decoded alone.
            prefix: What :meth:`read_prefix` gave with this adapter; prompts that begin with it are
                read from there on.

        Returns:
            The continuations in the order of the prompts.

        Raises:
            ModelError: A prompt leaves no room in the model's context.
        """
        results: dict[int, Generated] = {}
        if not keep_logits and (len(prompts) > 1 or prefix is not None):
            results = self._generate_together(prompts, how, adapter, exact=exact, known=prefix)
        left = [row for row in range(len(prompts)) if row not in results]
        alone = exact and len(prompts) > 1
        for chosen in batches([len(prompts[row]) for row in left], 1 if alone else BATCH_ROWS):
            rows = [left[i] for i in chosen]
            texts = [prompts[row] for row in rows]
            done = self._generate_batch(texts, how, adapter, keep_logits=keep_logits)
            results.update(zip(rows, done, strict=True))
        return [results[row] for row in range(len(prompts))]

    def _generate_together(
        self,
        prompts: Sequence[Sequence[int]],
        how: Decoding,
        adapter: str | None,
        *,
        exact: bool,
        known: Prefix | None,
    ) -> dict[int, Generated]:
        """The rows that can be decoded together; with ``exact`` without those of a near tie."""
        float32 = self.model.dtype in (torch.float32, torch.float64)
        if not can_decode_together(self.model, how) or (exact and not float32):
            return {}
        limit = getattr(self.model.config, "max_position_embeddings", None) or float("inf")
        fitting = [i for i, ids in enumerate(prompts) if len(ids) + how.max_tokens <= limit]
        prefix = known if known is not None and known.adapter == adapter else None
        if prefix is not None:
            fitting = [i for i in fitting if prefix.begins(prompts[i])]
        elif len(fitting) < 2:
            return {}
        results: dict[int, Generated] = {}
        with self.using(adapter) as model:
            shared = prefix or read_prefix(
                model, shared_prefix([prompts[i] for i in fitting]), adapter
            )

            def decode(rows: list[int]) -> list[Row]:
                return decode_together(
                    model,
                    [prompts[row] for row in rows],
                    how,
                    prefix=shared,
                    tokens=self.tokens,
                )

            # A prefix that is not copied takes no row's room.
            once = len(shared.ids) if shares(model, len(shared.ids)) else 0
            needs = [len(prompts[i]) - once + how.max_tokens for i in fitting]
            for chosen in batches(needs, *self._share()):
                rows = [fitting[i] for i in chosen]
                for row, done in zip(rows, self._halving(decode, rows), strict=True):
                    if not exact or done.margin >= SAFE_MARGIN:
                        end = len(done.ids) if done.stopped else None
                        results[row] = self._finished(done.ids, end, how.stop, None)
        return results

    def read_prefix(self, ids: Sequence[int], *, adapter: str | None = None) -> Prefix | None:
        """What many prompts begin with, read once for all calls of :meth:`generate`.

        A prompt that goes on from an earlier one is not read again as far as both agree.

        Args:
            ids: Its token ids.
            adapter: The adapter that the calls will use.

        Returns:
            None where it is not worth it, or the model's cache cannot be shared.
        """
        if len(ids) < LEAST_PREFIX or not keeps_everything(self.model):
            return None
        with self.using(adapter) as model:
            return read_prefix(model, ids, adapter, calls=True)

    def _share(self) -> tuple[int, int]:
        return _CPU_SHARE if self.model.device.type == "cpu" else _ACCELERATOR_SHARE

    def _halving(self, work: Callable[[list[int]], list[T]], rows: list[int]) -> list[T]:
        """``work`` on all rows, or on halves of them where they do not fit into memory."""
        try:
            return work(rows)
        except torch.OutOfMemoryError:
            if len(rows) == 1:
                raise
            log.warning("%d rows do not fit into memory; trying half of them.", len(rows))
        torch.accelerator.empty_cache()
        middle = len(rows) // 2
        return self._halving(work, rows[:middle]) + self._halving(work, rows[middle:])

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
        ids, mask = padded(prompts, self.tokens.pad_id, self.model.device, side="left")
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
        texts = [self.tokens.joined(p, c) for p, c in zip(prompts, continuations, strict=True)]
        scores: dict[int, Score] = {}
        with self.using(adapter) as model:
            if not keeps_everything(model):
                return self._score_whole(texts)
            groups = stems(prompts, texts)
            needs = [len(stem.ids) * len(stem.tails) for stem in groups]
            for chosen in batches(needs, *self._share()):

                def score(rows: list[int]) -> list[list[tuple[int, Score]]]:
                    batch = [groups[i] for i in rows]
                    return [score_stems(model, batch, self.tokens.pad_id)]

                for scored in self._halving(score, chosen):
                    scores.update(scored)
        return [scores[row] for row in range(len(texts))]

    def _score_whole(self, texts: Sequence[tuple[list[int], int]]) -> list[Score]:
        """Scores by reading each text as a whole, for models whose cache cannot be shared."""
        scores: dict[int, Score] = {}
        for rows in batches([len(ids) for ids, _ in texts]):
            chosen = [texts[row][0] for row in rows]
            ids, mask = padded(chosen, self.tokens.pad_id, self.model.device, side="right")
            with torch.inference_mode():
                logits = self.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
            for i, row in enumerate(rows):
                tokens, begin = texts[row]
                steps = logits[i, begin - 1 : len(tokens) - 1]
                scores[row] = score_of(steps, tokens[begin:])
        return [scores[row] for row in range(len(texts))]

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

    def unbaked(self) -> LocalEngine:
        """The same model answering with its own weights, whatever has been baked into it."""
        from memedit.models.unbaked import UnbakedEngine

        return UnbakedEngine(self)

    def _switch(self, adapter: str | None) -> None:
        if adapter == self._active:
            return
        if adapter is None:
            self.model.disable_adapters()
        else:
            self.model.set_adapter(adapter)
            self.model.enable_adapters()
        self._active = adapter
