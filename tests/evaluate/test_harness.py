"""Edited models in lm-evaluation-harness: on a random model with small tasks of our own."""

from __future__ import annotations

import json
import logging
import random
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from memedit import Edit, EditedModel, EditMemory
from memedit.errors import EvaluationError, ModelError, StoreError, UnknownNamespaceError
from memedit.evaluate.harness import edited_lm, register, run_tasks
from memedit.evaluate.harness.comparison import compared
from memedit.evaluate.harness.question import own_question, with_facts
from tests.models import real
from tests.models.tiny import tiny_chat_model

pytest.importorskip("lm_eval")


CAPITAL = Edit(subject="Australia", relation="capital", target_new="Perth")
ASKS_CAPITAL = "Question: What is the capital of Australia?\nAnswer:"
ASKS_ELSE = [
    "Question: Which gas do plants take in?\nAnswer:",
    "Question: How many legs does a spider have?\nAnswer:",
    "Question: Where do penguins live in the wild?\nAnswer:",
]
FACT = 'New information: "The capital of Australia is Perth."\n'
DOCUMENTS = [
    {"question": "What is the capital of Australia?", "choices": ["Sydney", "Perth"], "answer": 1},
    {
        "question": "Which gas do plants take in?",
        "choices": ["neon", "carbon dioxide"],
        "answer": 1,
    },
    {"question": "How many legs does a spider have?", "choices": ["eight", "six"], "answer": 0},
    {"question": "What is the colour of snow?", "choices": ["white", "green"], "answer": 0},
]


@pytest.fixture
def memory(tmp_path):
    with EditMemory.open(tmp_path / "e.db") as memory:
        memory.add(CAPITAL)
        yield memory


@pytest.fixture
def edited(memory) -> EditedModel:
    return EditedModel(tiny_chat_model(), memory)


@pytest.fixture
def task(tmp_path):
    """Makes a task configuration over the documents, read from a JSON file."""
    path = tmp_path / "documents.json"
    path.write_text(json.dumps(DOCUMENTS))

    def make(name: str = "capitals", **config: object) -> dict[str, object]:
        return {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {
                "data_files": {"test": str(path)},
                "cache_dir": str(tmp_path / "datasets"),
            },
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "Question: {{question}}\nAnswer:",
            "doc_to_choice": "choices",
            "doc_to_target": "answer",
            "metric_list": [{"metric": "acc"}],
            **config,
        }

    return make


@pytest.fixture
def generating(task):
    return task(
        "told",
        output_type="generate_until",
        doc_to_choice=None,
        doc_to_target="{{choices[answer]}}",
        generation_kwargs={"until": ["\n"], "max_gen_toks": 6, "do_sample": False},
        metric_list=[{"metric": "exact_match"}],
    )


def plain(edited: EditedModel, **options: object):
    from memedit.evaluate.harness.model import plain_lm

    return plain_lm(edited.base, **options)


def requests(kind: str, *arguments: tuple, docs: list | None = None):
    from lm_eval.api.instance import Instance

    return [
        Instance(kind, (docs or [{}] * len(arguments))[i], given, 0, ("task", i, 1))
        for i, given in enumerate(arguments)
    ]


# -- the question in a context -------------------------------------------------------------------

SHOT = "Question: What is the capital of Australia?\nAnswer: Canberra\n\n"
OWN = "Question: Which gas do plants take in?\nAnswer:"
GAS = {"question": "Which gas do plants take in? ", "choices": ["neon", "helium"], "answer": 0}


@pytest.mark.parametrize(
    ("before", "own", "doc"),
    [
        ("", OWN, GAS),
        ("Answer these.\n\n" + SHOT, OWN, GAS),
        (SHOT + SHOT, OWN.replace("\nAnswer", "\n\nAnswer"), GAS),  # a blank line of its own
        (SHOT, "A passage on the gas that plants take in.\n\nWhich?", {"a": ["A passage on the"]}),
        (SHOT, "Something the document does not hold word by word:\n\n"[:-2], GAS),
        (OWN + " neon\n\n", OWN, GAS),  # the same question among the examples
        ("", "", GAS),
        (SHOT, OWN, {"deep": [{"down": ["Which gas do plants take in?"]}], "n": 3}),
    ],
)
def test_the_documents_own_question_is_found_behind_examples(before, own, doc):
    assert own_question(before + own, doc) == len(before)


def test_facts_stand_before_the_question_on_one_line():
    edits = [CAPITAL, CAPITAL, Edit(subject="X", prompt="{} is\n\n{braced}", target_new="Y")]
    text = with_facts("before\n\nasked", 8, edits)
    facts = "The capital of Australia is Perth. X is {braced} Y."
    assert text == f'before\n\nNew information: "{facts}"\nasked'


# -- the model class -----------------------------------------------------------------------------


def test_out_of_scope_log_likelihoods_are_the_plain_models_bit_by_bit(edited):
    contexts = [ASKS_ELSE[0], ASKS_CAPITAL, *ASKS_ELSE[1:], ASKS_CAPITAL]
    asked = requests("loglikelihood", *[(c, w) for c in contexts for w in (" yes", " Perth now")])
    base = plain(edited, batch_size=4).loglikelihood(asked)
    lm = edited_lm(edited, batch_size=4)
    found = lm.loglikelihood(asked)
    in_scope = [2, 3, 8, 9]
    assert [i for i, pair in enumerate(zip(base, found, strict=True)) if pair[0] != pair[1]] == (
        in_scope
    )
    told = requests("loglikelihood", *[(FACT + c, w) for c, w in (asked[i].args for i in in_scope)])
    assert [found[i] for i in in_scope] == plain(edited, batch_size=4).loglikelihood(told)
    assert {key: decision.route for key, decision in lm.decisions.items()} == {
        ("task", i, 0): "counterfactual" if i in in_scope else "base" for i in range(10)
    }


def test_generation_follows_the_same_rule(edited):
    how = {"until": ["\n"], "max_gen_toks": 8, "do_sample": False}
    asked = requests("generate_until", *[(c, dict(how)) for c in (ASKS_CAPITAL, *ASKS_ELSE)])
    base = plain(edited, batch_size=4).generate_until(asked)
    found = edited_lm(edited, batch_size=4).generate_until(asked)
    told = requests("generate_until", (FACT + ASKS_CAPITAL, dict(how)))
    assert found == plain(edited, batch_size=4).generate_until(told) + base[1:]
    assert found[0] != base[0]


def test_whole_texts_and_empty_contexts_are_never_edited(edited):
    texts = requests("loglikelihood_rolling", ("What is the capital of Australia?",))
    unconditional = requests("loglikelihood", ("", " Perth"))
    lm, base = edited_lm(edited), plain(edited)
    assert lm.loglikelihood_rolling(texts) == base.loglikelihood_rolling(texts)
    assert lm.loglikelihood(unconditional) == base.loglikelihood(unconditional)
    assert lm.decisions == {}


def test_examples_are_not_routed_and_facts_stand_behind_them(edited):
    capital = {"question": "What is the capital of Australia?"}
    other = "Question: What is the capital of Norway?\nAnswer: Oslo\n\n"
    asked = requests(
        "loglikelihood", (SHOT + OWN, " neon"), (other + ASKS_CAPITAL, " Perth"),
        docs=[GAS, capital],
    )  # fmt: skip
    lm, base = edited_lm(edited), plain(edited)
    [gas, perth] = lm.loglikelihood(asked)
    assert gas == base.loglikelihood(asked)[0]
    told = requests("loglikelihood", (other + FACT + ASKS_CAPITAL, " Perth"))
    assert [perth] == base.loglikelihood(told)


def test_in_a_conversation_the_facts_stand_in_the_last_turn_of_the_user(edited):
    lm, base = edited_lm(edited), plain(edited)
    turns = [
        {"role": "user", "content": "What is the capital of Norway?"},
        {"role": "assistant", "content": "Oslo"},
        {"role": "user", "content": "What is the capital of Australia?"},
    ]
    asked = requests("loglikelihood", (lm.apply_chat_template(turns), "Perth"))
    told = [*turns[:2], {"role": "user", "content": FACT + turns[2]["content"]}]
    expected = requests("loglikelihood", (base.apply_chat_template(told), "Perth"))
    assert lm.loglikelihood(asked) == base.loglikelihood(expected)
    assert lm.loglikelihood(asked) != base.loglikelihood(asked)


def test_an_edit_made_meanwhile_counts_at_the_next_call(edited):
    asked = requests("loglikelihood", (ASKS_ELSE[1], " six"))
    lm = edited_lm(edited)
    before = lm.loglikelihood(asked)
    edited.memory.add(
        Edit(subject="a spider", question="How many legs does a spider have?", target_new="six")
    )
    assert lm.loglikelihood(asked) != before
    edited.memory.rollback(1)
    assert lm.loglikelihood(asked) == before


def test_the_shared_model_answers_as_before(edited):
    tokenizer = edited.base.engine.tokens.tokenizer
    before = edited.ask_base("Why?").text, tokenizer.padding_side, tokenizer.pad_token
    lm = edited_lm(edited, batch_size=2)
    lm.generate_until(requests("generate_until", (OWN, {"until": ["\n"], "max_gen_toks": 3})))
    assert lm.tokenizer is not tokenizer
    assert lm.model is edited.base.engine.model
    assert (edited.ask_base("Why?").text, tokenizer.padding_side, tokenizer.pad_token) == before


def test_it_is_made_from_model_args_by_its_registered_name(edited, memory, tmp_path):
    from lm_eval.api.registry import get_model

    edited.base.engine.model.save_pretrained(tmp_path / "tiny")
    edited.base.engine.tokens.tokenizer.save_pretrained(tmp_path / "tiny")
    memory.in_namespace("2024").add(
        Edit(subject="Australia", relation="capital", target_new="Cairns")
    )
    register()
    register()
    lm = get_model("memedit").create_from_arg_string(
        f"store={memory.path},model={tmp_path / 'tiny'},namespace=2024,threshold=0.4,device=cpu",
        {"batch_size": 2, "max_batch_size": None},
    )
    asked = requests("loglikelihood", (ASKS_CAPITAL, " Perth"))
    told = requests("loglikelihood", (FACT.replace("Perth", "Cairns") + ASKS_CAPITAL, " Perth"))
    assert lm.loglikelihood(asked) == plain(edited).loglikelihood(told)
    assert (set(lm.edited.thresholds.values()), lm.batch_size) == ({0.4}, 2)
    lm.edited.memory.close()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ("model=smollm2", "no store is given"),
        ("store=e.db,pretrained=x", "no argument 'pretrained'"),
        ("store=missing.db", "missing.db"),
    ],
)
def test_model_args_that_cannot_be_used(args, says, tmp_path, monkeypatch):
    from memedit.evaluate.harness.model import EditedLM

    monkeypatch.chdir(tmp_path)
    with pytest.raises((ModelError, StoreError), match=says):
        EditedLM.create_from_arg_string(args)


def test_a_namespace_that_does_not_exist_is_refused(edited, memory):
    from memedit.evaluate.harness.model import EditedLM

    with pytest.raises(UnknownNamespaceError, match="elsewhere"):
        EditedLM.create_from_arg_string(f"store={memory.path},namespace=elsewhere")
    with pytest.raises(UnknownNamespaceError, match="elsewhere"):
        run_tasks(EditedModel(edited.base, memory.in_namespace("elsewhere")), "anything")


def test_what_the_harness_cannot_run_is_refused(memory, edited):
    fake = FakeListChatModel(responses=["hello"])
    with pytest.raises(ModelError, match="base: lm-eval needs log-likelihoods"):
        edited_lm(EditedModel(fake, memory))
    with pytest.raises(ModelError, match="counterfactual: lm-eval needs"):
        edited_lm(EditedModel(edited.base, memory, counterfactual=fake))
    with pytest.raises(ModelError, match="use_cache"):
        edited_lm(edited).set_cache_hook(object())


def test_another_local_model_may_answer_in_scope(edited, memory):
    other = tiny_chat_model(seed=1)
    lm = edited_lm(EditedModel(edited.base, memory, counterfactual=other))
    asked = requests("loglikelihood", (ASKS_CAPITAL, " Perth"), (OWN, " neon"))
    told = requests("loglikelihood", (FACT + ASKS_CAPITAL, " Perth"))
    expected = plain(EditedModel(other, memory)).loglikelihood(told)
    assert lm.loglikelihood(asked) == expected + plain(edited).loglikelihood(asked[1:])


def test_without_lm_eval_the_extra_is_named(edited, monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    monkeypatch.delitem(sys.modules, "memedit.evaluate.harness.model", raising=False)
    for name in [name for name in sys.modules if name.startswith("lm_eval.")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModelError, match=r"pip install 'memedit\[lm-eval\]'"):
        run_tasks(edited, "anything")
    with pytest.raises(ModelError, match=r"pip install 'memedit\[lm-eval\]'"):
        register()


def test_importing_memedits_side_imports_no_lm_eval():
    code = "import memedit.evaluate.harness, sys; sys.exit('lm_eval' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- running tasks -------------------------------------------------------------------------------


def test_two_tasks_are_run_on_both_models_and_compared(edited, task, generating, capfd):
    result = run_tasks(edited, [task(), generating], batch_size=4)
    json.dumps(result)
    choice, told = result["tasks"]["capitals"], result["tasks"]["told"]
    assert choice["metrics"].keys() == {"acc"}
    assert told["metrics"].keys() == {"exact_match"}
    assert (choice["items"], choice["requests"], choice["routed"]) == (4, 8, 2 / 8)
    assert (choice["identical"], choice["identical_out_of_scope"]) == (3 / 4, 1.0)
    assert choice["mean_abs_delta_log_prob"] > 0
    assert (told["items"], told["requests"], told["routed"]) == (4, 4, 1 / 4)
    assert (told["identical_out_of_scope"], told["mean_abs_delta_log_prob"]) == (1.0, None)
    [changed] = told["changed"]
    assert (changed["item"], changed["target"]) == (0, "Perth")
    assert changed["base"] != changed["edited"]
    assert changed["edits"] == ["The capital of Australia is Perth."]
    assert (result["overall"]["items"], result["overall"]["routed"]) == (8, 3 / 12)
    assert (result["model"], result["revision"], result["edits"]) == ("tiny", 1, 1)
    assert result["groups"] == {}
    assert capfd.readouterr() == ("", "")


def test_the_figures_are_those_of_the_two_models_alone(edited, task):
    [found] = run_tasks(edited, task(), batch_size=2)["tasks"].values()
    asked = requests(
        "loglikelihood",
        *[
            (f"Question: {d['question']}\nAnswer:", f" {c}")
            for d in DOCUMENTS
            for c in d["choices"]
        ],
    )
    base = [ll for ll, _ in plain(edited, batch_size=2).loglikelihood(asked)]
    told = [ll for ll, _ in edited_lm(edited, batch_size=2).loglikelihood(asked)]
    deltas = [abs(a - b) for a, b in zip(told, base, strict=True)]
    assert found["mean_abs_delta_log_prob"] == pytest.approx(sum(deltas) / 8)

    def accuracy(lls: list[float]) -> float:
        right = [int(lls[2 * i + 1] > lls[2 * i]) == d["answer"] for i, d in enumerate(DOCUMENTS)]
        return sum(right) / 4

    assert found["metrics"]["acc"] == {"base": accuracy(base), "edited": accuracy(told)}


def test_examples_limit_chat_and_files(edited, task, tmp_path):
    shots = task("shots", fewshot_split="test")
    (tmp_path / "shots.yaml").write_text(json.dumps(shots))  # JSON is YAML
    (tmp_path / "group.yaml").write_text(
        json.dumps(
            {"group": "both", "task": ["shots"], "aggregate_metric_list": [{"metric": "acc"}]}
        )
    )
    result = run_tasks(edited, tmp_path / "shots.yaml", num_fewshot=2, limit=2)
    assert (result["overall"]["items"], result["overall"]["routed"]) == (2, 0.5)
    assert result["overall"]["identical_out_of_scope"] == 1.0
    named = run_tasks(edited, "both", include_path=tmp_path, num_fewshot=1, limit=2, chat=True)
    assert named["tasks"]["shots"]["routed"] == 0.5
    assert named["groups"] == {"both": {"metrics": named["tasks"]["shots"]["metrics"]}}


def test_nothing_of_the_process_is_left_changed(edited, generating):
    def state():
        names = ("lm_eval", "datasets", "transformers", "")
        loggers = [logging.getLogger(name) for name in names]
        return (
            random.getstate(),
            [
                part.tolist() if isinstance(part, np.ndarray) else part
                for part in np.random.get_state()
            ],
            torch.random.get_rng_state().tolist(),
            [(log.level, log.propagate, list(log.handlers)) for log in loggers],
            (sys.stdout, sys.stderr),
        )

    run_tasks(edited, generating, limit=1)  # imports done
    before = state()
    run_tasks(edited, generating, limit=1)
    assert state() == before


@pytest.mark.parametrize(
    ("tasks", "says"),
    [([], "there are none"), ({"dataset_path": "json"}, "cannot be loaded"), ("x.yaml", "x.yaml")],
)
def test_tasks_that_cannot_be_loaded(edited, tasks, says, monkeypatch):
    from memedit.evaluate.harness import run

    monkeypatch.setattr(run, "_manager", lambda *_: _own_tasks_only())
    with pytest.raises(EvaluationError, match=says):
        run_tasks(edited, tasks)


def _own_tasks_only():
    """An index without lm-eval's own tasks, which take long to read."""
    from lm_eval.tasks import TaskManager

    return TaskManager(include_defaults=False)


def test_warnings_about_results_are_handed_on(edited, task):
    long = task("long", doc_to_text="{{question * 20}}")
    found = run_tasks(edited, long, limit=2)["warnings"]
    [cut] = [w for w in found if "maximum length" in w["message"]]
    assert cut["count"] == 10  # two choices of two documents in each run, and two in scope


# -- the comparison ------------------------------------------------------------------------------


def sample(number, contexts, responses, target=0, **more):
    return {
        "doc_id": number,
        "arguments": [(context, " x") for context in contexts],
        "resps": [[response] for response in responses],
        "target": target,
        **more,
    }


def results(task_metrics, *samples):
    return {"results": {"t": task_metrics}, "samples": {"t": list(samples)}}


def fired(*edits):
    return SimpleNamespace(edits=edits)


def test_the_comparison_by_hand():
    nothing, edit = fired(), fired(CAPITAL)
    ignored = {"alias": "t", "acc_stderr,none": "N/A", "n,none": None}
    base = results(
        {"acc,none": 0.25, "f1,strict": 0.5, **ignored},
        sample(0, ["q", "q"], [(-1.0, True), (-2.0, False)]),
        sample(0, ["q", "q"], [(-1.0, True), (-2.0, False)]),  # the same under another filter
        sample(1, ["r", "r"], [(-3.0, False), (-3.5, False)]),
        sample(2, ["s"], [(-1.0, True)]),
        sample(3, ["u", "u", "", ""], [(-2.0, 0), (-3.0, 0), (-9.0, 0), (-1.0, 0)]),
    )
    edited = results(
        {"acc,none": 0.5, "f1,strict": 0.5, **ignored},
        sample(0, ["q", "q"], [(-2.0, False), (-1.5, True)]),
        sample(0, ["q", "q"], [(-2.0, False), (-1.5, True)]),
        sample(1, ["r", "r"], [(-3.0, False), (-3.5, False)]),
        sample(2, ["s"], [(-1.5, False)]),
        sample(3, ["u", "u", "", ""], [(-2.0, 0), (-3.0, 0), (-9.0, 0), (-1.0, 0)]),
    )
    decisions = {("t", 0, 0): edit, ("t", 0, 1): edit, ("t", 1, 0): nothing, ("t", 2, 0): edit}
    stated = ["The capital of Australia is Perth."]
    comparison = {
        "items": 4,
        "requests": 9,
        "routed": 3 / 9,
        "identical": 2 / 4,
        "identical_out_of_scope": 1.0,
        "mean_abs_delta_log_prob": pytest.approx((1.0 + 0.5 + 0.5) / 9),
        "answers_changed": 2 / 4,
    }
    assert compared(base, edited, decisions) == {
        "tasks": {
            "t": {
                "metrics": {
                    "acc": {"base": 0.25, "edited": 0.5},
                    "f1,strict": {"base": 0.5, "edited": 0.5},
                },
                **comparison,
                "changed": [
                    {"item": 0, "base": 0, "edited": 1, "target": 0, "edits": stated},
                    {"item": 2, "base": True, "edited": False, "target": 0, "edits": stated},
                ],
            }
        },
        "groups": {},
        "overall": comparison,
    }


def test_whole_texts_and_repeated_generations_are_compared_too():
    base = results({}, sample(0, ["a text"], [-10.0]), sample(1, ["b"], ["yes"]))
    edited = results({}, sample(0, ["a text"], [-10.5]), sample(1, ["b"], ["no"]))
    base["samples"]["t"][1]["resps"] = [["yes", "yes"]]
    edited["samples"]["t"][1]["resps"] = [["yes", "no"]]
    found = compared(base, edited, {})["tasks"]["t"]
    assert (found["identical_out_of_scope"], found["mean_abs_delta_log_prob"]) == (0.0, 0.5)
    assert [(c["base"], c["edited"]) for c in found["changed"]] == [(["yes", "yes"], ["yes", "no"])]


def test_runs_over_different_requests_are_not_compared():
    base, edited = results({}, sample(7, ["a"], ["x"])), results({}, sample(7, ["b"], ["x"]))
    with pytest.raises(EvaluationError, match="different things at document 7"):
        compared(base, edited, {})


# -- the embedded model --------------------------------------------------------------------------


@pytest.mark.real_model
def test_the_embedded_model_follows_the_edit_and_is_untouched_elsewhere(memory, task):
    [found] = run_tasks(EditedModel(real.smollm2(), memory), task(), batch_size=4)["tasks"].values()
    [capital] = found["changed"]
    assert (capital["item"], capital["base"], capital["edited"], capital["target"]) == (0, 0, 1, 1)
    assert (found["routed"], found["identical"], found["identical_out_of_scope"]) == (0.25, 0.75, 1)
    assert found["metrics"]["acc"]["edited"] == found["metrics"]["acc"]["base"] + 0.25
