"""Speed as ratios within one run, and byte identity off scope."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from record import Figure, share
from scope_floor import COUNTERFACT, edited, read, told

from memedit import Edit, EditedModel, EditMemory, load_edits, load_model
from memedit.scope.encoder import load_encoder

EDITS = 10_000
QUERIES = 1_000
IDENTITY_QUERIES = 100
IDENTITY_TOKENS = 16
SYLLABLES = "ba ce dor fin gal hu jor kel lam mon nor pel quin ros sol tur vel win yar zem".split()
RELATIONS = (
    ("The capital of {} is", "What is the capital of {}?"),
    ("{} plays the sport of", "Which sport does {} play?"),
    ("{} was born in the city of", "Where was {} born?"),
    ("The chief executive officer of {} is", "Who runs {}?"),
    ("{} is a citizen of", "Which country is {} a citizen of?"),
    ("The author of {} is", "Who wrote {}?"),
    ("{} was founded by", "Who founded {}?"),
    ("The mother tongue of {} is", "What is the native language of {}?"),
)


def routing(_: Path) -> list[Figure]:
    """Routing at 10,000 live edits against one bare encoder call on the same query."""
    edits, questions = generated(EDITS)
    encoder = load_encoder()
    rng = random.Random(1)
    queries = rng.sample(questions, QUERIES // 2)
    queries += [
        f"What is the weather like in {name()} today?"
        for _ in range(QUERIES // 2)
        if (name := namer(rng))
    ]
    rng.shuffle(queries)
    with edited(edits) as model:
        for query in queries[:50]:
            model.route(query), encoder.encode([query])
        bare, routed = [], []
        for query in told(queries, "routing"):
            bare.append(seconds(lambda q=query: encoder.encode([q])))
            routed.append(seconds(lambda q=query: model.route(q)))
    bare_p50, bare_p99 = np.percentile(bare, [50, 99])
    p50, p99 = np.percentile(routed, [50, 99])
    return [
        Figure("speed: encoder call, p50 seconds", bare_p50),
        Figure("speed: encoder call, p99 seconds", bare_p99),
        Figure("speed: route at 10,000 edits, p50 seconds", p50),
        Figure("speed: route at 10,000 edits, p99 seconds", p99),
        Figure("speed: route p50 / encoder p50", p50 / bare_p50, target="<= 2"),
        Figure("speed: route p99 / encoder p99", p99 / bare_p99, target="<= 3"),
    ]


def bulk(_: Path) -> list[Figure]:
    """Adding 10,000 edits against encoding their statements; opening and listing them."""
    edits, _ = generated(EDITS)
    encoder = load_encoder()
    statements = [edit.stated for edit in edits]
    encoder.encode(statements[:200])
    before = seconds(lambda: encoder.encode(statements))
    with TemporaryDirectory(prefix="memedit-eval-") as folder:
        path = Path(folder) / "e.db"
        with EditMemory.open(path) as memory:
            adding = seconds(lambda: memory.add(edits))
        after = seconds(lambda: encoder.encode(statements))
        opening = min(seconds(lambda: open_and_list(path)) for _ in range(3))
    return [
        Figure("speed: bulk add, edits a second", EDITS / adding),
        Figure(
            "speed: bulk add / encoder throughput", (before + after) / 2 / adding, target=">= 0.8"
        ),
        Figure(
            "speed: open a store of 10,000 edits and list it, seconds", opening, target="<= 0.5"
        ),
    ]


def identity(data: Path) -> list[Figure]:
    """Off scope: token ids, scores and text with the memory and without, compared bit for bit."""
    edits = load_edits(data / COUNTERFACT, format="counterfact")
    base = load_model("smollm2", max_tokens=IDENTITY_TOKENS)
    prompts = [record["locality_prompt"] for record in read(data / COUNTERFACT)]
    random.Random(2).shuffle(prompts)
    same = []
    with edited(edits) as scoped:
        model = EditedModel(base, scoped.memory)
        out = [
            prompt for prompt in prompts[: IDENTITY_QUERIES * 2] if not model.route(prompt).edits
        ]
        for prompt in told(out[:IDENTITY_QUERIES], "identity"):
            _, answering, messages = model.prepare(as_messages(prompt))
            ids, scores = answering.token_ids_and_scores(messages)
            base_ids, base_scores = base.token_ids_and_scores(as_messages(prompt))
            text = "".join(str(chunk.text) for chunk in model.stream(prompt))
            same.append(
                ids == base_ids
                and bool((scores == base_scores).all())
                and text == model.ask(prompt).text == str(base.invoke(prompt).text)
            )
    return [share("off scope: byte-identical to the base model", same, ">= 1.0")]


def as_messages(prompt: str) -> list:
    """The prompt as the caller's one message."""
    from langchain_core.messages import HumanMessage

    return [HumanMessage(prompt)]


def generated(n: int) -> tuple[list[Edit], list[str]]:
    """``n`` edits about made-up subjects, and a question about each."""
    rng = random.Random(0)
    make = namer(rng)
    edits, questions, seen = [], [], set()
    while len(edits) < n:
        subject = make()
        if subject in seen:
            continue
        seen.add(subject)
        prompt, question = RELATIONS[len(edits) % len(RELATIONS)]
        edits.append(Edit(subject=subject, prompt=prompt, target_new=make().split()[0]))
        questions.append(question.replace("{}", subject))
    return edits, questions


def namer(rng: random.Random) -> Callable[[], str]:
    """Makes names of two or three made-up words."""

    def word() -> str:
        return "".join(rng.choices(SYLLABLES, k=rng.randint(2, 3))).capitalize()

    return lambda: " ".join(word() for _ in range(rng.randint(2, 3)))


def open_and_list(path: Path) -> None:
    """What a command that lists a store does."""
    with EditMemory.open(path) as memory:
        assert len(memory.list()) == EDITS


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
