from __future__ import annotations

import hashlib
import json
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import EntryNotFoundError
from hypothesis import given, settings
from hypothesis import strategies as st

from memedit.evaluate.cases import Case, Dropped, Malformed
from memedit.evaluate.datasets import DataSetError, load_dataset, names, reader, registry
from memedit.evaluate.datasets.reader import Record


def record(number: int, **changes):
    return {
        "case_id": number,
        "prompt": f"The capital of Land {number} is",
        "subject": f"Land {number}",
        "target_new": "Newtown",
        "ground_truth": "Oldtown",
        "rephrase_prompt": f"Land {number} is ruled from",
        "locality_prompt": "The capital of France is",
        "locality_ground_truth": "Paris",
    } | changes


def write(path: Path, *records) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records))
    return path


def test_names_are_sorted_and_every_reader_is_complete():
    assert names() == sorted(set(names()))
    assert len(names()) == sum(map(len, registry._ALL)), "two readers have one name"
    assert {"counterfact", "zsre", "knowedit", "rippleedits", "mquake", "mquake_hard"} <= {*names()}
    for name in names():
        known = reader(name)
        assert known.name == name and known.files and known.source
        assert known.hub is None or known.hub.count(":") == 1


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@pytest.mark.parametrize("name", names())
@settings(max_examples=25)
@given(values=st.lists(JSON, max_size=3))
def test_no_record_whatever_it_holds_ends_a_reading(name, values):
    records = [Record(place, value) for place, value in enumerate(values, 1)]
    dropped = Dropped()
    items = list(reader(name).read([*records, Record(9, None, "cut off")], dropped))
    assert items[-1].reason == "cut off"
    assert len({item.id for item in items}) == len(items)


def test_an_unknown_name_suggests_those_nearest():
    with pytest.raises(DataSetError, match=r"'counterfakt'.*Did you mean 'counterfact'"):
        load_dataset("counterfakt")
    with pytest.raises(DataSetError, match=r"Known: \['atomic2020'"):
        reader("qqqqqq")


def test_a_data_set_can_be_read_again_from_the_start(tmp_path):
    path = write(tmp_path / "c.json", record(3), record(3), record(4, subject=7))
    data = load_dataset("counterfact", str(path))
    for _ in range(2):
        first, second = data
        assert isinstance(first, Case) and first.id == "counterfact-3"
        assert isinstance(second, Malformed) and second.id == "counterfact-4"
        assert data.dropped.to_dict() == {
            "record: it repeats an earlier one": {"count": 1, "examples": ["counterfact-r2"]}
        }
        assert data.records_dropped == 1
    assert data.name == "counterfact" and data.path == path and "2202.05262" in data.source
    assert data.checksum == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_folder_is_searched_for_the_data_sets_file(tmp_path):
    wanted = write(tmp_path / "a" / "b" / "counterfact_easyedit.7.json", record(1))
    write(tmp_path / "counterfact_portability.json", record(2))
    write(tmp_path / "notes.json", record(3))
    assert load_dataset("counterfact", tmp_path).path == wanted
    # The first pattern that matches wins.
    better = write(tmp_path / "counterfact.json", record(4))
    assert load_dataset("counterfact", tmp_path).path == better


def test_lists_of_case_numbers_beside_mquake_are_not_its_file(tmp_path):
    write(tmp_path / "MQuAKE-CF-3k.some_conflicted_ids.json", 1, 2)
    wanted = write(tmp_path / "MQuAKE-CF-3k-v2.json", record(1))
    assert load_dataset("mquake", tmp_path).path == wanted


def test_several_files_that_fit_are_named(tmp_path):
    write(tmp_path / "counterfact_original.a.json", record(1))
    write(tmp_path / "sub" / "counterfact_original.b.json", record(1))
    with pytest.raises(DataSetError, match=r"original\.a\.json, sub/.*original\.b\.json.*one of"):
        load_dataset("counterfact", tmp_path)


def test_a_folder_without_the_file_says_what_it_is_called(tmp_path):
    with pytest.raises(DataSetError, match=r"No file of mquake .*MQuAKE-CF-3k\.json"):
        load_dataset("mquake", tmp_path)


def test_a_file_that_is_missing_or_empty_is_refused_at_once(tmp_path):
    with pytest.raises(DataSetError, match="cannot be read"):
        load_dataset("counterfact", tmp_path / "none.json")
    with pytest.raises(DataSetError, match="holds no record"):
        load_dataset("counterfact", write(tmp_path / "empty.json"))


@pytest.mark.parametrize("data", [None, "hub"])
def test_the_hubs_file_is_fetched_by_its_address(tmp_path, monkeypatch, data):
    tests = {"Relation_Specificity": [{"prompt": "The mayor of Ys is", "ground_truth": "Gradlon"}]}
    fact = {"prompt": "The ruler of Ys is", "subject": "Ys", "target_new": "Dahut"}
    path = write(tmp_path / "blob", {**fact, "portability": {}, "locality": tests})
    asked = []

    def download(repository, file, *, repo_type):
        asked.append((repository, file, repo_type))
        return str(path)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    (case,) = load_dataset("knowedit", data)
    assert asked == [("zjunlp/KnowEdit", "benchmark/wiki_counterfact/test_cf.json", "dataset")]
    assert [query.kind for query in case.queries] == ["edit", "locality"]


def test_any_file_on_the_hub_can_be_named(tmp_path, monkeypatch):
    file = tmp_path / "zsre.json"
    file.write_text(json.dumps([{"subject": "Oslo", "src": "Where is Oslo?", "alt": "Peru"}]))
    asked = []

    def download(repository, path, *, repo_type):
        asked.append((repository, path, repo_type))
        return str(file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert load_dataset("zsre", "hf://datasets/me/sets/eval/zsre.json").path == file
    assert asked == [("me/sets", "eval/zsre.json", "dataset")]


@pytest.mark.parametrize("error", [OSError("no route"), EntryNotFoundError("no route")])
def test_a_hub_out_of_reach_says_what_to_do(monkeypatch, error):
    def download(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(DataSetError, match=r"zjunlp/KnowEdit:.*no route\. Go online, or give"):
        load_dataset("knowedit", "hub")


def test_a_data_set_the_hub_lacks_says_where_it_is():
    with pytest.raises(DataSetError, match=r"mquake has no known place.*github\.com/princeton"):
        load_dataset("mquake")
