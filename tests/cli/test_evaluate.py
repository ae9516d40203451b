"""``memedit eval``: runs on a random model and made-up zsRE records, compared and reported."""

from __future__ import annotations

import json
import re
import shlex
import sys

import pytest
from typer.testing import CliRunner

from memedit.cli import evaluate, stages
from memedit.cli.app import app
from memedit.evaluate.methods import METHODS
from memedit.evaluate.report.result import read_result
from memedit.evaluate.runner import Job
from tests.evaluate.running import tiny_hparams, zsre_record
from tests.models.tiny import tiny_network, tiny_tokenizer

RECORDS = 3
FEW = ("--max-tokens", "3", "--alone", "1")


def run(*words, **settings):
    return CliRunner(env={"COLUMNS": "250"}).invoke(app, [*map(str, words)], **settings)


def ok(*words):
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result


def fails(*words):
    """The one sentence on stderr."""
    result = run(*words)
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    assert isinstance(result.exception, SystemExit)  # the error was caught and told
    assert "Traceback" not in result.output
    return " ".join(result.stderr.split())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a model, a data set and a home of its own."""
    folder = tmp_path_factory.mktemp("eval")
    for seed in (0, 1):
        tiny_network(seed).save_pretrained(folder / f"tiny{seed}")
        tiny_tokenizer().save_pretrained(folder / f"tiny{seed}")
    write_data(folder / "data" / "zsre_mend_eval.json", RECORDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMEDIT_HOME", str(folder / "home"))
        patch.setenv("MEMEDIT_MODEL", str(folder / "tiny0"))
        patch.setenv("MEMEDIT_DATA", str(folder / "data"))
        yield folder


def write_data(path, records):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([zsre_record(n) for n in range(records)]), encoding="utf-8")


@pytest.fixture(scope="module")
def memory_run(place):
    out = place / "memory"
    ok("eval", "zsre", "--k", "1,all", "--out", out, *FEW)
    return out


@pytest.fixture(scope="module")
def base_run(place):
    out = place / "base"
    ok("eval", "zsre", "--method", "base", "--out", out, *FEW)
    return out


# -- running -------------------------------------------------------------------------------------


def test_a_run_prints_its_figures_and_writes_result_and_reports(memory_run):
    shown = ok("eval", "report", memory_run)
    assert "memory on zsre" in shown.stdout
    result = read_result(memory_run / "result.json")
    assert (result.k, result.cases.evaluated, result.cases.failed) == (("1", "all"), RECORDS, 0)
    assert result.metrics["scope.recall"].n == 2 * RECORDS
    assert (memory_run / "report.md").read_text().startswith("# memory on zsre")
    assert "<title>memory on zsre" in (memory_run / "report.html").read_text()


def test_json_is_all_that_goes_to_standard_output(place):
    done = ok("eval", "zsre", "--method", "base", "--json", "--out", place / "json", *FEW)
    assert json.loads(done.stdout) == json.loads((place / "json" / "result.json").read_text())
    assert f"base: {RECORDS}/{RECORDS}" in done.stderr


def test_a_finished_run_is_shown_and_not_run_again(base_run):
    before = {path: path.stat().st_mtime_ns for path in base_run.glob("*.jsonl")}
    again = ok("eval", "zsre", "--method", "base", "--out", base_run, *FEW)
    assert "finished before" in again.stderr
    assert "base on zsre" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in base_run.glob("*.jsonl")} == before


def test_the_result_goes_to_a_json_file_where_one_is_named(place):
    out = place / "deep" / "one.json"
    ok("eval", "zsre", "--method", "base", "--out", out, *FEW)
    assert out.read_text() == (place / "deep" / "one" / "result.json").read_text()
    assert (place / "deep" / "one" / "report.md").is_file()


def test_without_out_a_run_is_kept_by_its_key(place):
    done = ok("eval", "zsre", "--method", "base", "--limit", "1", "--json", *FEW)
    key = json.loads(done.stdout)["key"]
    assert (place / "home" / "runs" / f"zsre-base-{key}" / "report.md").is_file()


def test_the_printed_command_is_the_same_run_and_names_no_folder(place, monkeypatch):
    (place / "mine.toml").write_text('description = "Mine."\ndataset = "zsre"\nscore = false\n')
    out = place / "mine"
    ok("eval", place / "mine.toml", "--method", "in-context", "--k", "2, 1", "--limit", "2",
       "--asked", "1", "--seed", "3", "--sequential", "--dtype", "float32",
       "--out", out, *FEW)  # fmt: skip
    first = read_result(out / "result.json")
    assert first.command == (
        "memedit eval mine.toml --data zsre_mend_eval.json --method in-context --model tiny0 "
        "--k '2, 1' --limit 2 --asked 1 --sequential --seed 3 --alone 1 --max-tokens 3 "
        "--dtype float32"
    )
    assert str(place) not in (out / "result.json").read_text()
    for path in (place / "data" / "zsre_mend_eval.json", place / "mine.toml", place / "tiny0"):
        (place / "elsewhere").mkdir(exist_ok=True)
        (place / "elsewhere" / path.name).symlink_to(path)
    monkeypatch.chdir(place / "elsewhere")
    again = ok(*shlex.split(first.command)[1:], "--json")
    assert json.loads(again.stdout)["key"] == first.key


def test_edits_in_the_weights_by_settings_of_ones_own(place):
    hparams, out = tiny_hparams(place, "memit"), place / "memit"
    done = ok("eval", "zsre", "--method", "memit", "--hparams", hparams, "--completion",
              "--sequential", "--batch-size", "2", "--out", out, *FEW)  # fmt: skip
    result = read_result(out / "result.json")
    assert result.command.endswith(
        "--sequential --batch-size 2 --alone 1 --max-tokens 3 --hparams memit.toml --completion"
    )
    assert result.method_settings["hparams"]["layers"] == [0]
    assert (result.model.form, result.way) == ("completion", "sequential, 2 cases at a time")
    assert "neutral.perplexity" in done.stdout
    assert "tiny0 in completion form" in done.stdout
    assert "completion form" in (out / "report.md").read_text()


def test_data_from_the_hub_is_named_as_it_was_given():
    from pathlib import Path

    from memedit.cli.evaluate import _data_name

    cached = Path("/cache/blobs/test_cf.json")
    assert [_data_name(data, cached) for data in (None, "hub", "hf://datasets/a/b/c.json")] == [
        "hub", "hub", "hf://datasets/a/b/c.json"
    ]  # fmt: skip
    assert _data_name("some/folder", cached) == "test_cf.json"


@pytest.mark.parametrize("where", ["memedit.evaluate.runner.run", "memedit.models.load.load_model"])
def test_ctrl_c_is_one_sentence_and_130(place, monkeypatch, where):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(where, stop)
    result = run("eval", "zsre", "--out", place / "stopped")
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr.strip() == "Stopped. The same command goes on from here."


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("zsr",), "suite: there is no 'zsr'. Did you mean 'zsre'"),
        (("my.toml",), "suite: there is no file 'my.toml'. Check the path."),
        (("zsre", "--method", "base", "--hparams", "gpt2"), "hparams: base has none."),
        (("zsre", "--method", "rome"), "settings: rome has none for a llama of 2 layers"),
        (("zsre", "--method", "rome", "--hparams", "no.toml"), "settings: there is no file"),
        (("zsre", "--method", "memry"), "method: there is no 'memry'. Did you mean 'memory'?"),
        (("zsre", "--data", "gone.json"), "'gone.json' cannot be read"),
        (("counterfact",), "No file of counterfact is in"),
        (("zsre", "--k", "some"), "k: 'some' is not a number of edits."),
        (("zsre", "--model", "/no/such/model"), "model: there is no folder '/no/such/model'."),
        (("zsre", "--base-url", "http://127.0.0.1:1/v1"), "base_url:"),
        (("compare", "nowhere", "nowhere"), "run: 'nowhere' is no run. Give a run's folder"),
        (("report", "nowhere.json"), "run: 'nowhere.json' is no run."),
    ],
)
def test_what_cannot_be_run_is_one_sentence(place, words, says):
    assert says in fails("eval", *words)


def test_a_folder_of_another_run_is_left_alone(base_run):
    told = fails("eval", "zsre", "--method", "base", "--seed", "7", "--out", base_run, *FEW)
    assert "holds another run (seed is 0, not 7" in told


def test_out_that_cannot_be_written_is_one_sentence(place, memory_run):
    file = place / "a file"
    file.write_text("")
    assert "'a file'" in fails("eval", "zsre", "--out", file, *FEW).replace(f"{place}/", "")
    assert "Choose another folder" in fails("eval", "report", memory_run, "--out", file)


@pytest.mark.parametrize(
    "words",
    [
        ("zsre", "--limit", "0"),
        ("zsre", "--dtype", "float3"),
        ("zsre", "--nonsense"),
        ("zsre", "--batch-size", "2"),
        ("zsre", "--batch-size", "0", "--sequential"),
        ("compare", "one"),
        ("lm-eval",),
        (),
    ],
)
def test_wrong_usage_is_2(words):
    assert run("eval", *words).exit_code == 2


# -- help ----------------------------------------------------------------------------------------


def test_help_calls_a_suite_by_its_name_and_lists_the_methods():
    shown = ok("eval", "counterfact", "--help").stdout
    assert "Usage: memedit eval counterfact [OPTIONS]" in shown.replace(" root ", " memedit ")
    method = shown[shown.index("--method") : shown.index("--model")]
    for name in METHODS:
        assert re.search(rf"\b{name}\b", method)


def test_every_option_has_help():
    from typer.main import get_command

    commands = get_command(app).commands["eval"].commands
    assert list(commands) == ["run", "list", "compare", "report", "lm-eval"]
    for name, command in commands.items():
        assert command.help
        for parameter in command.params:
            assert parameter.help, f"{name} {parameter.name}"


def test_defaults_are_the_runners():
    fields = Job.__dataclass_fields__
    assert (fields["alone"].default, fields["seed"].default) == (evaluate.ALONE, evaluate.SEED)


def test_list_names_suites_files_and_the_hub(place):
    suites = {suite["name"]: suite for suite in json.loads(ok("eval", "list", "--json").stdout)}
    assert "zsre_mend_eval.json*" in suites["zsre"]["files"]
    assert suites["zsre"]["hub"] is None
    assert suites["wiki_counterfact"]["hub"].startswith("zjunlp/KnowEdit:")
    shown = ok("eval", "list").stdout
    assert all(name in shown for name in suites)


# -- what is on record ---------------------------------------------------------------------------


def test_compare_names_runs_by_what_differs_and_tests_what_both_measure(memory_run, base_run):
    shown = ok("eval", "compare", memory_run, base_run).stdout
    assert "memory against base" in shown
    assert "Both: zsre, zsre_mend_eval.json, tiny0, chat form, float32, k = all, batch" in shown
    found = json.loads(ok("eval", "compare", memory_run, base_run, "--json").stdout)
    assert (found["a"]["method"], found["b"]["method"]) == ("memory", "base")
    compared = {one["name"]: one for one in found["differences"]}
    assert compared["locality"]["b"] == 1.0
    assert compared["reliability"]["n"] == RECORDS
    assert not compared.keys() & {"es", "ps"}  # the suite leaves them out
    lines = ok("eval", "compare", memory_run, base_run, "--markdown").stdout.splitlines()
    assert lines[0].startswith("memory against base: zsre, ")
    assert lines[2].startswith("| metric | memory | base | memory - base |")


def test_compare_at_a_number_of_live_edits(memory_run, base_run):
    same = json.loads(ok("eval", "compare", memory_run, memory_run, "--k", "1", "--json").stdout)
    assert same["a"] == same["b"]
    assert {one["difference"] for one in same["differences"]} == {0.0}
    told = fails("eval", "compare", memory_run, base_run, "--k", "1")
    assert told.endswith("was not run with '1'. It has all.")


def test_runs_of_two_models_have_no_common_base(place, base_run):
    other = place / "other"
    ok("eval", "zsre", "--method", "base", "--model", place / "tiny1", "--out", other, *FEW)
    done = ok("eval", "compare", base_run, other, "--json")
    names = {one["name"] for one in json.loads(done.stdout)["differences"]}
    assert "reliability" in names and "locality" not in names
    assert "models differ" in done.stderr
    assert "tiny0 against tiny1" in ok("eval", "compare", base_run, other).stdout


def test_runs_that_cannot_be_compared_are_refused(place, base_run):
    write_data(place / "more.json", 1)
    other = place / "on-more"
    ok("eval", "zsre", "--method", "base", "--data", place / "more.json", "--out", other, *FEW)
    assert "different data (zsre_mend_eval.json, more.json)" in fails(
        "eval", "compare", base_run, other
    )
    lone = place / "lone.json"
    lone.write_text((base_run / "result.json").read_text())
    assert "not the answers it was made from" in fails("eval", "compare", lone, base_run)
    (place / "begun").mkdir()
    (place / "begun" / "run.json").write_text("{}")
    assert "is not finished. The command that began it" in fails("eval", "report", place / "begun")


def test_report_goes_where_it_is_sent(place, memory_run):
    done = ok("eval", "report", memory_run, "--out", place / "pages", "--json")
    assert json.loads(done.stdout)["suite"] == "zsre"
    assert {path.name for path in (place / "pages").iterdir()} == {"report.md", "report.html"}


def test_report_of_a_result_without_its_run(place, memory_run):
    lone = place / "recorded.json"
    lone.write_text((memory_run / "result.json").read_text())
    ok("eval", "report", lone)
    page = (place / "recorded" / "report.html").read_text()
    assert "made without the run's answers" in page


def test_report_computes_figures_anew(place):
    out = place / "anew.json"
    ok("eval", "zsre", "--method", "base", "--out", out, *FEW)
    right = json.loads(out.read_text())["metrics"]
    for path in (out, place / "anew" / "result.json"):
        wrong = json.loads(path.read_text())
        wrong["metrics"]["reliability"]["value"] = 0.123
        path.write_text(json.dumps(wrong))
    assert "12.3 %" in ok("eval", "report", out).stdout
    assert "12.3 %" not in ok("eval", "report", out, "--recompute").stdout
    assert json.loads(out.read_text())["metrics"] == right


def test_without_matplotlib_there_is_markdown_only(place, memory_run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = ok("eval", "report", memory_run, "--out", place / "plain")
    assert [path.name for path in (place / "plain").iterdir()] == ["report.md"]
    assert "pip install 'memedit[report]'" in done.stderr


# -- progress ------------------------------------------------------------------------------------


def test_lines_tell_rate_and_time_left_of_what_is_new(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(stages.time, "monotonic", lambda: now[0])
    with stages.stage("memory, k=all", 100) as advance:
        for seconds, done in ((10, 60), (20, 10), (50, 10), (60, 20)):
            now[0] = float(seconds)
            advance(done)
    with stages.stage("base", 5) as advance:
        advance(5)
    with stages.stage("layers", 3) as advance:
        advance(0)
        advance(3)
    lines = capsys.readouterr().err.splitlines()
    with stages.watching(inside=True) as watch:
        for what in ("target vectors", "layers"):
            for seconds, done in ((5, 1), (40, 2), (1, 3)):
                now[0] += seconds if what == "layers" else 1
                watch(what, done, 3)
    assert capsys.readouterr().err.splitlines() == ["Layers: 2/3, 0.05/s, 20 s left"]
    assert lines == [
        "memory, k=all: 80/100, 0.50/s, 40 s left",
        "memory, k=all: 100/100, 0.80/s",
        "base: 5/5, on record",
        "layers: 3/3",
    ]
