"""The figures as sections, in the terminal and as Markdown."""

import dataclasses
import io

import pytest
from rich.console import Console

from memedit.evaluate.compare import Difference
from memedit.evaluate.metrics import METRICS, Figure
from memedit.evaluate.report import tables
from memedit.evaluate.report.markdown import markdown_comparison, markdown_report
from memedit.evaluate.report.terminal import terminal_comparison, terminal_report


def shown(renderable) -> str:
    written = io.StringIO()
    Console(width=160, file=written).print(renderable)
    return written.getvalue()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_figures_stand_in_the_section_of_their_measurement(full):
    found = {section.title: [row.name for row in section.rows] for section in tables.sections(full)}
    assert list(found.values()) == [
        ["reliability"],
        ["es"],
        ["scope.false_fire"],
        ["seconds_per_query", "peak_rss_mb"],
        ["novel.metric"],
    ]
    assert [title.split(":")[0] for title in found] == [
        "Headline", "Teacher-forced", "Routing", "Efficiency", "Other figures"
    ]  # fmt: skip


def test_every_known_metric_has_a_section_and_a_definition():
    for name, metric in METRICS.items():
        about = tables.describe(name)
        assert about.measured == metric.measured
        assert about.definition
    # What the runner measures by itself must not shadow a metric.
    assert not {"peak_rss_mb", "peak_gpu_mb", "byte_identical", "kl"} & set(METRICS)


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.87549, "share", "87.5 %"),
        (1.0, "share", "100.0 %"),
        (0.2104, "s", "0.210 s"),
        (1834.4, "MB", "1,834 MB"),
        (0.05, "probability", "0.0500"),
        (1.5, "", "1.50"),
        (None, "share", "–"),
    ],
)
def test_figures_in_their_unit(value, unit, words):
    assert tables.as_shown(value, unit) == words


def test_an_interval_of_one_value_is_not_shown():
    assert tables.interval(Figure(0.5, 0.25, 0.75, 8), "share") == "[25.0, 75.0]"
    assert tables.interval(Figure(3.0, 3.0, 3.0, 1), "MB") == ""
    assert tables.interval(None, "share") == ""


def test_n_and_base_are_given_once_where_all_columns_agree():
    about = tables.About("generation", "share")
    figures = (Figure(0.5, 0.4, 0.6, 10, 0.1), Figure(0.4, 0.3, 0.5, 10, 0.1))
    assert (tables.Row("x", about, figures).n, tables.Row("x", about, figures).base) == (
        "10",
        "10.0 %",
    )
    uneven = (figures[0], None, Figure(0.4, 0.3, 0.5, 2000, 0.2))
    row = tables.Row("x", about, uneven)
    assert (row.n, row.base) == ("10 / 2,000", "10.0 % / 20.0 %")


@pytest.mark.parametrize(
    ("seconds", "words"), [(2.25, "2.2 s"), (60, "1 min 0 s"), (4200, "1 h 10 min")]
)
def test_durations(seconds, words):
    assert tables.duration(seconds) == words


def test_terminal_shows_every_figure_beside_the_base(full):
    text = shown(terminal_report(full))
    line = next(line for line in text.splitlines() if line.strip().startswith("reliability"))
    assert line.split() == (
        "reliability 87.5 % [85.0, 90.0] 82.5 % [80.0, 85.0] 77.5 % [75.0, 80.0] 1.2 % 80".split()
    )
    assert text.index("Headline") < text.index("Teacher-forced") < text.index("Routing")
    assert "90 cases count, 2 of them failed" in text
    assert "13 failed: out of <memory>" in text
    assert "8 dropped: the target is already true" in text
    assert "memedit eval capitals --k 1,10,all" in text


def test_terminal_reads_no_markup_and_no_control_characters(small):
    text = shown(terminal_report(dataclasses.replace(small, suite="[red]x[/red]\x1b[2J")))
    assert "[red]x[/red][2J" in text


def test_markdown_has_all_that_reproduces_the_run(full):
    text = markdown_report(full)
    lines = text.splitlines()
    assert lines[0] == "# memory on capitals"
    assert "```console\nmemedit eval capitals --k 1,10,all\n```" in text
    assert cells(next(line for line in lines if line.startswith("| reliability"))) == [
        "reliability", "87.5 % [85.0, 90.0]", "82.5 % [80.0, 85.0]", "77.5 % [75.0, 80.0]",
        "1.2 %", "80",
    ]  # fmt: skip
    facts = dict(cells(line) for line in lines if line.count(" | ") == 1)
    assert facts["data SHA-256"] == "ab" * 32
    assert facts["machine"] == "processor some, cores 2"
    assert facts["method"] == "memory (threshold 0.5, role counterfactual)"
    assert facts["seed"] == "7"
    assert facts["limit"] == "the first 100 cases"
    assert facts["13"] == r"out of \<memory\>"


def test_markdown_tables_have_as_many_cells_in_each_row(full):
    for block in markdown_report(full).split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.splitlines()}) == 1


def test_markdown_shows_words_as_they_are(small):
    hostile = "a|b *c* `d` [e](f) <g> $h$ &amp; _i_ snake_case [1.0, 2.0]\nj"
    title = markdown_report(dataclasses.replace(small, suite=hostile)).splitlines()[0]
    assert title.removeprefix("# in_context on ") == (
        r"a\|b \*c\* \`d\` [e\](f) \<g\> \$h\$ \&amp; \_i\_ snake_case [1.0, 2.0] j"
    )
    fenced = markdown_report(dataclasses.replace(small, command="x ```` y"))
    assert "`````console\nx ```` y\n`````" in fenced


def test_reports_of_a_result_without_figures(small):
    assert "## Cases" in markdown_report(small)
    assert "3 cases count, 0 of them failed" in shown(terminal_report(small))


def _differences() -> list[Difference]:
    return [
        Difference("reliability", 0.9, 0.6, 0.3, 0.25, 0.35, 0.0001, 0.0002, "McNemar", 1200, 3, 0,
                   "a better"),
        Difference("seconds_per_query", 0.21, 0.25, -0.04, -0.05, -0.03, 0.2, 0.4, "permutation",
                   50, 0, 0, "no difference shown"),
    ]  # fmt: skip


def test_comparison_as_markdown():
    lines = markdown_comparison(_differences(), a="memory", b="base").splitlines()
    assert cells(lines[0]) == [
        "metric", "memory", "base", "memory - base", "95 % interval", "p", "p (Holm)", "test",
        "cases", "verdict",
    ]  # fmt: skip
    assert cells(lines[2]) == [
        "reliability", "90.0 %", "60.0 %", "+30.0 pp", "[+25.0, +35.0]", r"\< 0.001", r"\< 0.001",
        "McNemar", "1,200 (3 unpaired)", "memory better",
    ]  # fmt: skip
    assert cells(lines[3])[3:6] == ["-0.0400", "[-0.0500, -0.0300]", "0.200"]
    assert cells(lines[3])[-1] == "no difference shown"


def test_comparison_in_the_terminal():
    text = shown(terminal_comparison(_differences(), a="memory", b="base"))
    assert "memory against base" in text
    rows = [line.split() for line in text.splitlines()]
    assert "metric memory base difference 95 % interval p (Holm) cases verdict".split() in rows
    assert (
        "reliability 90.0 % 60.0 % +30.0 pp [+25.0, +35.0] < 0.001 1,200 (3 unpaired) memory better"
    ).split() in rows
    assert rows[-2][-2:] == ["none", "shown"]


def test_contested_queries_and_failures_of_the_base_alone_are_told_where_there_are_any(small):
    assert tables.counted(small).endswith("(they do not count).")
    cases = dataclasses.replace(small.cases, contested=1200, base_failed=3)
    told = tables.counted(dataclasses.replace(small, cases=cases))
    assert "1,200 queries may rightly be answered by another live edit" in told
    assert told.endswith("3 cases failed on the base model alone.")
