"""The relations that a match is set against."""

from __future__ import annotations

import numpy as np
import pytest

from memedit.scope.cohort import COHORT_FEATURES, Cohort


def unit(*values):
    vector = np.array(values, dtype=np.float32)
    return vector / np.linalg.norm(vector)


@pytest.fixture
def cohort():
    return Cohort.of([np.stack([unit(1, 0.1, 0), unit(1, -0.1, 0)]), unit(0, 1, 0)[None]])


def features(cohort, query, edit):
    asked, told = cohort.profiles(np.stack([query, edit]))
    return cohort.features(float(query @ edit), asked, told)


def test_a_relation_stands_where_its_wordings_are(cohort):
    np.testing.assert_allclose(cohort.vectors, [[1, 0, 0], [0, 1, 0]], atol=1e-6)


def test_a_query_nearer_to_another_relation_speaks_against_the_edit(cohort):
    edit = unit(1, 0.3, 0.2)
    same, other = features(cohort, unit(1, 0.2, 0.3), edit), features(cohort, unit(0.3, 1, 0), edit)
    assert set(same) == set(COHORT_FEATURES)
    for name in ("cohort_overlap", "cohort_kinship", "cohort_told", "cohort_asked", "cohort_lead"):
        assert same[name] > other[name], name
    assert same["cohort_contrast"] < other["cohort_contrast"]


def test_it_is_kept_in_a_file(cohort, tmp_path):
    assert Cohort.load(tmp_path) is None
    both = cohort.joined(Cohort.of([unit(0, 0, 1)[None]]))
    both.save(tmp_path)
    again = Cohort.load(tmp_path)
    np.testing.assert_allclose(again.vectors, both.vectors, atol=1e-3)
    assert again.vectors.dtype == np.float32
