from __future__ import annotations

import pytest
import torch

from memedit.bake import Moments, moments
from memedit.bake.moments import MomentSettings
from memedit.bake.reading import Site, read_last
from memedit.errors import BakeError
from tests.bake.small import KEYS, MOMENTS, editable
from tests.bake.test_delta import _delta


def _corpus(tmp_path, paragraphs=40):
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join(f"Paragraph {i} says {i * i}." for i in range(paragraphs)))
    return path


def test_it_is_the_mean_product_of_every_token(tmp_path):
    model = editable()
    corpus = _corpus(tmp_path)
    found = Moments(corpus=corpus).of(model, [1], MOMENTS)[1]
    texts = [model.tokens.encode_text(p)[:16] for p in corpus.read_text().split("\n\n")]
    rows = [ids[: i + 1] for ids in texts for i in range(len(ids))][: 16 * 16]  # the first batch
    keys = read_last(model, rows, [Site(1, "mlp_in")])[Site(1, "mlp_in")]
    assert len(keys) >= 8 * KEYS
    assert torch.allclose(found, keys.T @ keys / len(keys), atol=1e-10)


def test_own_samples_are_the_same_every_time_and_kept(tmp_path, monkeypatch):
    model = editable()
    found = Moments(tmp_path).of(model, [0, 2], MOMENTS)
    assert torch.linalg.eigvalsh(found[2]).min() > 0
    again = Moments().of(model, [0, 2], MOMENTS)
    assert torch.equal(found[2], again[2])
    assert not torch.allclose(found[2], Moments(seed=1).of(model, [2], MOMENTS)[2])
    monkeypatch.setattr(moments, "products", None)  # reading anew would fail
    kept = Moments(tmp_path).of(model, [2, 0], MOMENTS)
    assert torch.equal(kept[0], found[0])
    assert torch.equal(kept[2], found[2])


@pytest.mark.parametrize("own", [True, False])
def test_an_interrupted_reading_goes_on(own, tmp_path, monkeypatch):
    model = editable()
    corpus = None if own else _corpus(tmp_path)
    more = MomentSettings(per_width=24, window=16)
    whole = Moments(corpus=corpus).of(model, [1], more)[1]
    monkeypatch.setattr(moments, "SAVE_SECONDS", -1.0)
    seen = []

    def stop(done, _wanted):
        seen.append(done)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Moments(tmp_path / "kept", corpus).of(model, [1], more, stop)
    rest = []
    found = Moments(tmp_path / "kept", corpus).of(model, [1], more, lambda n, _: rest.append(n))
    assert rest[0] > seen[0]  # what had been saved is not read again
    assert torch.allclose(found[1], whole, rtol=1e-12)


def test_they_are_of_the_base_whatever_is_on_it():
    model = editable()
    clean = Moments().of(model, [2], MOMENTS)[2]
    model.apply(_delta(model, layers=(0, 1), size=1.0))
    assert torch.equal(Moments().of(model, [2], MOMENTS)[2], clean)
    assert len(model.applied) == 1


def test_everything_they_depend_on_is_in_their_name(tmp_path):
    one, other = editable(), editable("gpt2")
    corpus = _corpus(tmp_path)
    settings = [MOMENTS, MOMENTS.model_copy(update={"window": 15})]
    settings.append(MOMENTS.model_copy(update={"per_width": 7.0}))
    makers = [Moments(), Moments(seed=1), Moments(corpus=corpus)]
    names = {
        maker._key(model, layer, setting)
        for maker in makers
        for model in (one, other)
        for layer in (0, 1)
        for setting in settings
    }
    assert len(names) == 3 * 2 * 2 * 3
    ridge = MOMENTS.model_copy(update={"ridge": 0.5})
    assert makers[0]._key(one, 0, ridge) == makers[0]._key(one, 0, MOMENTS)


def test_too_little_text_is_refused(tmp_path):
    with pytest.raises(BakeError, match=r"it has \d+ tokens; 192 are needed"):
        Moments(corpus=_corpus(tmp_path, 3)).of(editable(), [1], MOMENTS)
    with pytest.raises(BakeError, match="no file"):
        Moments(corpus=tmp_path / "none.txt")
