"""The page's structure: what is shown, escaped, and reached from outside (nothing)."""

import base64
import dataclasses
import hashlib
import re
import sys
from collections import Counter
from html.parser import HTMLParser

import pytest

from memedit.evaluate.metrics import Figure
from memedit.evaluate.report import html, plots, svg
from memedit.evaluate.report.html import html_report

matplotlib = pytest.importorskip("matplotlib")


class Page(HTMLParser):
    """What the tests ask of a page: its elements, and its words by element."""

    VOID = ("meta", "link", "input", "br", "use")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: dict[str, list[str]] = {}
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and data.strip():
            self.words.setdefault(self.open[-1], []).append(" ".join(data.split()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page(full, outcomes, base) -> Page:
    return Page(html_report(full, outcomes, base))


def test_nothing_is_fetched_from_elsewhere(page):
    for _, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:"))
    assert "@import" not in page.text
    assert not re.search(r"url\((?!#)", page.text)
    policy = next(m for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"].startswith("default-src 'none'")


def test_only_the_own_script_may_run(page):
    assert len(page.all("script")) == 1
    script = page.text.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.text


def test_words_from_data_are_escaped(page):
    assert "<script>alert" not in page.text
    assert page.text.count("&lt;script&gt;alert(&#39;edit&#39;)&lt;/script&gt;") == 1
    assert "It is &lt;b&gt;Canberra&lt;/b&gt;." in page.text
    assert "ValueError: &lt;no&gt; subject" in page.text
    assert not page.all("b")


def test_the_figures_shown_are_the_results(page, full):
    values = [td["data-value"] for td in page.all("td") if "data-value" in td]
    for k in full.k:
        for figure in full.at(k).values():
            assert str(figure.value) in values
    words = " ".join(page.words["td"] + page.words["span"])
    for shown in ("87.5 %", "77.5 %", "[75.0, 80.0]", "1.2 %", "1,834 MB", "0.210 s"):
        assert shown in words


def test_teacher_forced_figures_stand_apart(page):
    headings = page.words["h3"]
    assert [heading.split(":")[0] for heading in headings[:2]] == ["Headline", "Teacher-forced"]
    assert "teacher-forced" in page.words["small"]  # beside the drawing of es against k


def test_what_ran_is_said(page):
    assert page.words["pre"] == ["memedit eval capitals --k 1,10,all"]
    facts = dict(zip(page.words["dt"], page.words["dd"], strict=False))
    assert facts["data SHA-256"] == "ab" * 32
    assert facts["machine"] == "processor some, cores 2"


def test_every_failure_has_its_row(page):
    rows = [one for one in page.all("details") if one.get("class") == "failure"]
    assert [(row["data-kind"], row["data-faults"]) for row in rows] == [
        ("edit", "wrong answer|wrong edit"),
        ("rephrase", "wrong answer|missed edit"),
        ("locality", "changed|false fire"),
        ("failed case", "ValueError: <no> subject"),
    ]
    assert page.words["option"] == [
        "all", "edit", "failed case", "locality", "rephrase",
        "all", "changed", "false fire", "missed edit", "wrong answer", "wrong edit",
    ]  # fmt: skip
    assert "4 went wrong with k = all." in " ".join(page.words["p"])
    assert "asked\nthus" in page.text


def test_at_most_so_many_failures_are_embedded(full, outcomes, base, monkeypatch):
    monkeypatch.setattr(html, "MOST_FAILURES", 3)
    page = Page(html_report(full, outcomes, base))
    assert page.text.count('<details class="failure"') == 3
    assert "4 went wrong with k = all; 3 of them are shown" in " ".join(page.words["p"])


def test_every_drawing_is_there_and_no_id_twice(page):
    drawings = page.all("svg")
    assert len(drawings) == 5 + 3  # a metric each, calibration, latency, relations
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in drawings)
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert Counter(ids).most_common(1)[0][1] == 1
    used = re.findall(r'(?:xlink:href="|url\()#([^")]+)', page.text)
    assert used
    assert set(used) <= set(ids)


def test_drawings_follow_the_pages_colors_and_keep_their_text(page):
    assert not set(re.findall(r"#0[1-5]0[1-5]0[1-5]", page.text))
    assert "var(--accent)" in page.text
    assert "DejaVu" not in page.text
    assert "scope probability" in page.words["text"]
    assert "75.0 % (40)" in page.words["text"]


def test_without_data_a_sentence_stands_for_each_drawing(small):
    page = Page(html_report(small))
    assert not page.all("svg")
    words = " ".join(page.words["p"])
    for sentence in (
        "The run has no figures.",
        "The run has one k only",
        "The method gave no scope probability.",
        "No query was timed by itself.",
        "The data names no relations.",
        "made without the run's answers",
    ):
        assert sentence in words


def test_small_drawings_stand_above_one_another_only_beside_the_map_of_relations(full):
    classes = [one.get("class") for one in Page(html_report(full)).all("div")]
    assert "stack" in classes
    without = dataclasses.replace(full, by_relation={})
    assert "stack" not in [one.get("class") for one in Page(html_report(without)).all("div")]


def test_a_run_without_failures_says_so(small, outcomes):
    assert "Nothing went wrong." in html_report(small, outcomes[:1])


def test_a_method_without_router(full, outcomes, base):
    plain = [
        dataclasses.replace(one, outputs=tuple(
            dataclasses.replace(o, route=None, right_edit=None, probability=None, trace={})
            for o in one.outputs))
        for one in outcomes
    ]  # fmt: skip
    page = Page(html_report(dataclasses.replace(full, reliability_diagram=()), plain, base))
    faults = [one["data-faults"] for one in page.all("details") if one.get("class") == "failure"]
    assert faults[:3] == ["wrong answer", "wrong answer", "changed"]


def test_the_page_is_the_same_each_time(full, outcomes, base):
    assert html_report(full, outcomes, base) == html_report(full, outcomes, base)


def test_the_rarer_relations_share_a_row():
    found = {f"P{i}": {"reliability": (1.0, 100 - i)} for i in range(40)}
    # (0.5 * 6 + 0.25 * 2) / 8 = 0.4375; locality was observed in one of them only.
    found |= {"rare": {"reliability": (0.5, 6), "locality": (0.75, 3)}}
    found |= {"rarer": {"reliability": (0.25, 2)}}
    rows = plots.relation_rows(found)
    assert len(rows) == 41
    assert rows[0] == ("P0", {"reliability": (1.0, 100)})
    assert rows[-1] == ("2 others", {"reliability": (0.4375, 8), "locality": (0.75, 3)})


def test_names_that_no_font_has_and_that_look_like_formulas():
    drawn = plots.relations({"$\\frac 国籍 <b>": {"locality": (0.5, 2)}})
    assert "$\\frac 国籍 &lt;b&gt;" in drawn.svg


@pytest.mark.parametrize("seconds", [(0.0,), (0.5,), (0.0, 0.0), (0.001, 30.0), (2.0, 3.0)])
def test_any_latencies_can_be_drawn(seconds):
    assert plots.latency(seconds).svg.startswith("<svg")


def test_a_drawing_against_k_shows_what_lies_outside_its_interval(small):
    odd = Figure(0.5, 0.6, 0.7, 3)  # an interval from elsewhere need not hold the value
    result = dataclasses.replace(small, k=("1", "all"), metrics={"es": odd},
                                 sweep={"1": {"es": odd}})  # fmt: skip
    assert len(plots.against_k(result)) == 1


def test_matplotlibs_settings_are_left_as_they_were(full):
    touched = ("font.size", "svg.fonttype", "svg.hashsalt", "text.parse_math", "axes.grid")
    with matplotlib.rc_context({"font.size": 13.0}):
        before = [matplotlib.rcParams[name] for name in touched]
        plots.relations(full.by_relation)
        assert [matplotlib.rcParams[name] for name in touched] == before


def test_without_matplotlib_the_extra_is_named(full, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(svg.ReportError, match=r"pip install 'memedit\[report\]'"):
        html_report(full)
