"""From relation evidence to the probability that an edit answers the query."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from memedit.errors import EncoderError
from memedit.scope.encoder import Vectors
from memedit.scope.reading import NameKind
from memedit.scope.relations import FEATURES


@dataclass(frozen=True)
class Calibration:
    """A logistic model over :data:`memedit.scope.relations.FEATURES`, one a form of query.

    A question spells its relation out; a cloze ("X, who plays") may leave nearly all of it open, so
    the same evidence means less there and each form has weights of its own. They were fitted by
    ``eval/fit_scope.py`` on development records with as many queries in scope as out of it;
    ``prior_odds`` moves that to the odds met in use, where most queries that name an edited subject
    ask for what was edited.

    Attributes:
        encoder: Fingerprint of the encoder the weights belong to.
        forms: Weights and bias for ``"question"`` and ``"cloze"``.
        prior_odds: In-scope to out-of-scope odds, by form, of a query that names an edited subject.
        name_penalty: Log odds taken off where the name is not given in full.
        clash_penalty: Log odds taken off where the target is no answer of the kind asked for.
        free_text: ``slope`` and ``centre`` of the logistic over plain cosine, for free text.
    """

    encoder: str
    forms: Mapping[str, tuple[tuple[float, ...], float]]
    prior_odds: Mapping[str, float]
    name_penalty: Mapping[str, float]
    clash_penalty: float
    free_text: Mapping[str, float]

    @classmethod
    def load(cls) -> Calibration:
        """The calibration shipped with memedit, for the embedded encoder."""
        text = resources.files("memedit.scope").joinpath("calibration.json").read_text("utf-8")
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """Reads what ``eval/fit_scope.py`` wrote."""
        if tuple(data["features"]) != FEATURES:
            raise EncoderError(
                f"The scope calibration was fitted on the features {data['features']}, this "
                f"version computes {list(FEATURES)}.",
                hint="Fit it again with eval/fit_scope.py.",
            )
        forms = {k: (tuple(v["weights"]), float(v["bias"])) for k, v in data["forms"].items()}
        return cls(
            encoder=data["encoder"],
            forms=forms,
            prior_odds=dict(data["prior_odds"]),
            name_penalty=dict(data["name_penalty"]),
            clash_penalty=float(data["clash_penalty"]),
            free_text=dict(data["free_text"]),
        )

    def probability(
        self, features: Vectors, *, question: bool, name: NameKind, clash: bool
    ) -> float:
        """The probability, 0…1, that the edit answers a query with this evidence.

        Args:
            features: From :func:`memedit.scope.relations.relation_features`.
            question: Whether the query's sentence is a question.
            name: How the subject was recognised.
            clash: Whether the edit's target is no answer of the kind that is asked for.
        """
        form = "question" if question else "cloze"
        weights, bias = self.forms[form]
        log_odds = bias + math.fsum(w * float(x) for w, x in zip(weights, features, strict=True))
        log_odds += math.log(self.prior_odds[form]) - self.name_penalty.get(name, 0.0)
        return _logistic(log_odds - (self.clash_penalty if clash else 0.0))

    def free_text_probability(self, cosine: float) -> float:
        """The probability, 0…1, that a free-text edit with this cosine is meant."""
        return _logistic(self.free_text["slope"] * (cosine - self.free_text["centre"]))


def _logistic(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, log_odds))))
