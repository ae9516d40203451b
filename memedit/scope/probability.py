"""From evidence to the probability that an edit answers a query."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from typing import Any, Literal

from memedit.errors import EncoderError
from memedit.scope.cohort import COHORT_FEATURES
from memedit.scope.reading import NameKind
from memedit.scope.relations import FEATURES

Asked = Literal["question", "cloze"]  # what a sentence may be
Form = Asked | Literal["text"]  # what is compared

_KNOWN = {"match", *FEATURES, *COHORT_FEATURES}
_PARTS = frozenset({"forms", "names", "prior_odds", "name_penalty", "clash_penalty"})
_TRAIN_ANEW = "Fit them anew with this version: memedit train scope."


@dataclass(frozen=True)
class Evidence:
    """What speaks for and against an edit.

    Attributes:
        form: What is compared: a question, a cloze, or a free text.
        features: By name: ``match`` (the matcher's cosine), ``cosine`` (the frozen encoder's), and
            for relations :data:`memedit.scope.relations.FEATURES` and, with a matcher,
            :data:`memedit.scope.cohort.COHORT_FEATURES`.
        name: How the subject was recognised; free texts have none.
        clash: Whether the edit's target is no answer of the kind that is asked for, or the query
            asks for what is not so.
    """

    form: Form
    features: Mapping[str, float]
    name: NameKind = "full"
    clash: bool = False


@dataclass(frozen=True)
class Logistic:
    """A logistic model over features and products of two of them.

    Attributes:
        weights: By feature, or ``"one*other"`` for a product; other features count nothing.
        bias: The log odds where all features are 0.
    """

    weights: Mapping[str, float]
    bias: float

    @cached_property
    def features(self) -> frozenset[str]:
        """The features it needs; one that is not given counts as 0."""
        return frozenset(name for term in self.weights for name in term.split("*"))

    @cached_property
    def _terms(self) -> list[tuple[float, list[str]]]:
        return [(weight, term.split("*")) for term, weight in self.weights.items()]

    def log_odds(self, features: Mapping[str, float]) -> float:
        """The log odds that these features give."""
        terms = (w * math.prod(features.get(n, 0.0) for n in names) for w, names in self._terms)
        return self.bias + math.fsum(terms)


@dataclass(frozen=True)
class Calibration:
    """Logistic models over the evidence, one a form of query.

    A question spells its relation out; a cloze ("X, who plays") may leave nearly all of it open, so
    the same evidence means less there and each form has weights of its own. They were fitted on
    training records with as many queries in scope as out of it; ``prior_odds`` moves that to the
    odds met in use, where most queries that name an edited subject ask for what was edited.

    Attributes:
        forms: A model for ``"question"``, ``"cloze"`` and ``"text"``.
        names: A model of whether two names are the same thing's, where nobody said so.
        prior_odds: In-scope to out-of-scope odds, by form; for ``"name"``, of one thing's names.
        name_penalty: Log odds taken off where the name is given in part or by reference.
        clash_penalty: Log odds taken off where the target cannot be an answer.
    """

    forms: Mapping[str, Logistic]
    names: Logistic
    prior_odds: Mapping[str, float] = field(default_factory=dict)
    name_penalty: Mapping[str, float] = field(default_factory=dict)
    clash_penalty: float = 0.0

    @classmethod
    def untrained(cls) -> Calibration:
        """The weights that do without a matcher, fitted for the embedded encoder."""
        text = resources.files("memedit.scope").joinpath("calibration.json").read_text("utf-8")
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """Reads what ``memedit train scope`` wrote.

        Raises:
            EncoderError: A part is missing, or there are weights for evidence that this version
                does not gather.
        """
        missing = sorted(_PARTS - data.keys())
        if missing:
            raise EncoderError(
                f"The weights of the scope decision have no {missing[0]!r}.", hint=_TRAIN_ANEW
            )
        for form, model in data["forms"].items():
            strange = sorted(_logistic_of(model).features - _KNOWN)
            if strange:
                raise EncoderError(
                    f"The weights of the scope decision on a {form} were fitted with "
                    f"{strange[0]!r}, which this version does not compute.",
                    hint=_TRAIN_ANEW,
                )
        return cls(
            forms={form: _logistic_of(model) for form, model in data["forms"].items()},
            names=_logistic_of(data["names"]),
            prior_odds=dict(data["prior_odds"]),
            name_penalty=dict(data["name_penalty"]),
            clash_penalty=float(data["clash_penalty"]),
        )

    def probability(self, evidence: Evidence) -> float:
        """The probability, 0…1, that the edit answers a query, its name taken for granted."""
        log_odds = self.forms[evidence.form].log_odds(evidence.features)
        log_odds += math.log(self.prior_odds.get(evidence.form, 1.0))
        log_odds -= self.name_penalty.get(evidence.name, 0.0)
        return _sigmoid(log_odds - (self.clash_penalty if evidence.clash else 0.0))

    def name_probability(self, likeness: Mapping[str, float]) -> float:
        """The probability, 0…1, that two names are the same thing's.

        Args:
            likeness: Features of :class:`memedit.scope.likeness.Likeness`, and ``cosine``.
        """
        log_odds = self.names.log_odds(likeness) + math.log(self.prior_odds.get("name", 1.0))
        return _sigmoid(log_odds)


def _logistic_of(model: Mapping[str, Any]) -> Logistic:
    return Logistic({k: float(w) for k, w in model["weights"].items()}, float(model["bias"]))


def _sigmoid(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, log_odds))))
