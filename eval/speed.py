"""Speed as ratios within one run, and byte identity off scope."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from langchain_core.messages import BaseMessage, HumanMessage
from product import Setting, edited
from record import Figure, share
from rich.progress import track
from scope import dev

from memedit import Edit, EditedModel, EditMemory, load_model
from memedit.scope.encoder import load_encoder
from memedit.train.sources import read

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


def latency(setting: Setting) -> list[Figure]:
    """The whole routed decision at 10,000 live edits against one bare encoder call.

    One query at a time, four kinds in equal shares: the edited relation of a live subject, another
    relation of it, a name that is not known, and questions without such names (zsRE's ``loc``).
    """
    edits, questions = generated(EDITS)
    encoder = load_encoder()
    kinds = _mixed(setting, edits, questions)
    queries = [(kind, query) for kind, asked in kinds.items() for query in asked]
    random.Random(1).shuffle(queries)
    bare: dict[str, list[float]] = defaultdict(list)
    routed: dict[str, list[float]] = defaultdict(list)
    with edited(edits, **setting.product) as model:
        for _, query in queries[:50]:
            model.route(query), encoder.encode([query])
        for kind, query in track(queries, description="latency"):
            bare[kind].append(seconds(lambda q=query: encoder.encode([q])))
            routed[kind].append(seconds(lambda q=query: model.route(q)))
    figures = [
        Figure(
            f"latency: route p50 / encoder p50, {kind}",
            np.median(routed[kind]) / np.median(bare[kind]),
        )
        for kind in kinds
    ]
    bare_p50, bare_p99 = np.percentile(np.concatenate(list(bare.values())), [50, 99])
    p50, p99 = np.percentile(np.concatenate(list(routed.values())), [50, 99])
    return [
        Figure("latency: encoder call, p50 seconds", bare_p50),
        Figure("latency: encoder call, p99 seconds", bare_p99),
        Figure("latency: route at 10,000 edits, p50 seconds", p50),
        Figure("latency: route at 10,000 edits, p99 seconds", p99),
        *figures,
        Figure("latency: route p50 / encoder p50", p50 / bare_p50, target="<= 4"),
        Figure("latency: route p99 / encoder p99", p99 / bare_p99, target="<= 8"),
    ]


def _mixed(setting: Setting, edits: list[Edit], questions: list[str]) -> dict[str, list[str]]:
    """Queries of each kind, equally many."""
    rng = random.Random(1)
    make, each = namer(rng), min(QUERIES // 4, setting.limit or QUERIES)
    places = rng.sample(range(len(edits)), each)
    shift = len(RELATIONS) // 2  # the question of another relation
    other = [
        RELATIONS[(place + shift) % len(RELATIONS)][1].replace("{}", edits[place].subject)
        for place in places
    ]
    unrelated = [
        query.prompt
        for record in dev(read(setting.data), "zsre_slim")
        for query in record.queries
        if query.kind == "locality"
    ]
    return {
        "in scope": [questions[place] for place in places],
        "another relation": other,
        "unknown name": [rng.choice(RELATIONS)[1].replace("{}", make()) for _ in range(each)],
        "no known name": rng.sample(unrelated, each),
    }


def bulk(_: Setting) -> list[Figure]:
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


def identity(setting: Setting) -> list[Figure]:
    """Off scope: token ids, scores and text with the memory and without, compared bit for bit."""
    records = dev(read(setting.data), "counterfact")
    base = load_model("smollm2", max_tokens=IDENTITY_TOKENS)
    prompts = [q.prompt for record in records for q in record.queries if q.kind == "locality"]
    random.Random(2).shuffle(prompts)
    wanted = min(IDENTITY_QUERIES, setting.limit or IDENTITY_QUERIES)
    same = []
    with edited([record.edit for record in records], **setting.product) as scoped:
        model = EditedModel(base, scoped.memory, **setting.product)
        out = [prompt for prompt in prompts[: wanted * 2] if not model.route(prompt).edits]
        for prompt in track(out[:wanted], description="identity"):
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


def as_messages(prompt: str) -> list[BaseMessage]:
    """The prompt as the caller's one message."""
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
