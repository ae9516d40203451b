"""A threshold that keeps a promise: split conformal calibration on out-of-scope scores.

The score of a query is the probability of its surest candidate; it fires where the score reaches
the threshold. Take n scores of queries that ought not to fire, and put the threshold just above
the ceil((n + 1)(1 - rate))-th smallest. If one more such query is exchangeable with these n, then

    P(it fires) <= rate,   and without ties   P(it fires) = k / (n + 1) > rate - 1 / (n + 1),

with k = floor((n + 1) rate), whatever the distribution of the scores and at every n: its rank among
the n + 1 is uniform (Vovk, Gammerman & Shafer 2005, *Algorithmic Learning in a Random World*,
section 2; Angelopoulos & Bates 2021, arXiv 2107.07511, section 1). The probability is over the n
scores and the new one together. With the n scores fixed, the rate at which further queries fire is
a random number with the distribution Beta(k, n + 1 - k) (Vovk 2012, arXiv 1209.2673; Angelopoulos &
Bates, section 3.2); :class:`FireRate` gives its mean and interval. Where k = 0, that is for
n < 1 / rate - 1, no threshold among the scores can promise the rate.

Clozes leave more of their relation open than questions do, so each form has a threshold of its own
and the promise holds for either form (Vovk 2012 calls this Mondrian).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from memedit.errors import QueryError
from memedit.scope.probability import Asked

DEFAULT_RATE = 0.01
MAX_RATE = 0.5
# A promise rests on the memory's own scores alone once there are this many for each one that may
# fire: the rate then has a standard deviation of about a third of itself.
OWN_FIRES = 10
# How far own scores may lower the shipped threshold, as a share of the way in log odds. Where 1 %
# of a memory's own probes fire, so do of real near misses, on training records, 0.8 %
# (CounterFact), 1.5 % (PokeMQA) and 2.2 % (KnowEdit, RippleEdits); half way 0.6, 1.2 and 0.9 %.
TRUST = 0.5
LEVEL = 0.95

Form = Asked
FORMS: tuple[Form, ...] = ("cloze", "question")
Scores = NDArray[np.float64]
Basis = Literal["own", "blend", "shipped", "default"]
Groups = Mapping[Form, Sequence[Sequence[float]]]
_NO_SCORES: Scores = np.empty(0)
_HAIR = 1e-9


@dataclass(frozen=True)
class FireRate:
    """The false-fire rate to expect at a threshold.

    Attributes:
        mean: Expected rate, ``(fired + 1) / (n + 1)``.
        low: Lower end of the 95 % interval of the Beta distribution of the rate.
        high: Upper end.
        n: How many scores it rests on.
        fired: How many of them reach the threshold.
    """

    mean: float
    low: float
    high: float
    n: float
    fired: float


@dataclass(frozen=True)
class Evidence:
    """Scores of queries out of scope: own ones, and others that count as ``weight`` own ones.

    Attributes:
        own: Scores, ascending.
        other: Scores, ascending.
        weight: How many own scores all of ``other`` count for together.
    """

    own: Scores
    other: Scores
    weight: float = 0.0

    @property
    def n(self) -> float:
        """How many scores it counts for."""
        return len(self.own) + self.weight

    def fired(self, threshold: float) -> float:
        """How many of them reach ``threshold``."""
        own = len(self.own) - int(np.searchsorted(self.own, threshold))
        if not self.weight:
            return float(own)
        other = len(self.other) - int(np.searchsorted(self.other, threshold))
        return own + self.weight * other / len(self.other)

    def threshold(self, rate: float) -> float | None:
        """The conformal threshold: the least one that promises ``rate``; None where none can.

        Without other scores this is exact, as the head of this module says. With them it is so
        where both come from one distribution.
        """
        allowed = self._allowed(rate)
        if allowed < 0:
            return None
        scores = np.union1d(self.own, self.other) if self.weight else self.own
        low, high = 0, len(scores) - 1  # the first score above which few enough remain
        while low < high:
            middle = (low + high) // 2
            if self.fired(_above(scores[middle])) <= allowed:
                high = middle
            else:
                low = middle + 1
        return _above(scores[low])

    def keeps(self, rate: float, threshold: float) -> bool:
        """Whether ``rate`` is promised at ``threshold``."""
        return self.fired(threshold) <= self._allowed(rate)

    def _allowed(self, rate: float) -> int:
        """How many scores may reach the threshold; negative where no threshold can promise."""
        # The hair keeps 0.05 * 20 from being a little less than 1.
        return math.floor((self.n + 1) * rate + 1e-9) - 1

    def rate_at(self, threshold: float, clusters: float = 1.0) -> FireRate:
        """The false-fire rate to expect at ``threshold``.

        Args:
            threshold: Any threshold.
            clusters: By how much scores that belong together (those of one edit) widen the
                variance of their mean (the design effect, Kish 1965); 1 where they do not.
        """
        fired = min(self.fired(threshold), self.n)
        mean = (fired + 1) / (self.n + 1)
        n = max(1, round(self.n / clusters))
        hits = min(n, round(fired / clusters))
        low, high = _beta_interval(hits, n)
        return FireRate(mean, min(low, mean), max(high, mean), self.n, fired)


@dataclass(frozen=True)
class Calibrated:
    """The threshold of each form, and what they promise.

    Attributes:
        thresholds: Least probability that counts as in scope, 0…1.
        rate: The false-fire rate that was asked for.
        promised: Whether the scores can promise that rate. If not, the threshold lies above all
            scores of a form that has too few, or is the default where there are none.
        basis: What decided each: the memory's ``own`` scores, their ``blend`` with the shipped
            ones, the ``shipped`` ones, or the ``default`` threshold.
        evidence: The scores of each form.
        groups: The own scores of each form, those of one edit together.
    """

    thresholds: Mapping[Form, float]
    rate: float
    promised: bool
    basis: Mapping[Form, Basis]
    evidence: Mapping[Form, Evidence]
    groups: Groups

    @cached_property
    def fires(self) -> dict[Form, FireRate]:
        """Expected false-fire rate by form; a form without any score is missing."""
        return {
            form: one.rate_at(self.thresholds[form], self._design_effect(form))
            for form, one in self.evidence.items()
            if one.n
        }

    def _design_effect(self, form: Form) -> float:
        threshold = self.thresholds[form]
        reached = [[score >= threshold for score in g] for g in self.groups.get(form, ())]
        return design_effect(reached)


def calibrate(
    own: Groups,
    shipped: Mapping[Form, Sequence[float]],
    rate: float,
    *,
    default: float,
) -> Calibrated:
    """The thresholds at which queries out of scope fire at ``rate`` at most.

    The shipped scores are those of a broad sample of edits. They do two things. Until there are
    :data:`OWN_FIRES` / ``rate`` own scores of a form, the shipped ones make up the number (each
    counts as one at most). And they hold back where a memory's own probes happen to be easy, as
    with edits all of one mould: probes are a model of what users ask, so that the threshold goes
    only :data:`TRUST` of the way down from where it is for edits at large.

    Args:
        own: Scores of the memory's out-of-scope queries by form, those of one edit together.
        shipped: Scores of the shipped sample by form; empty where it was made with another scorer.
        rate: Wanted false-fire rate; see :func:`check_rate`.
        default: The threshold where there are no scores at all.

    Raises:
        QueryError: The rate is none that can be asked for.
    """
    check_rate(rate)
    evidence: dict[Form, Evidence] = {}
    thresholds: dict[Form, float] = {}
    basis: dict[Form, Basis] = {}
    for form in FORMS:
        mine, others = (
            _sorted([x for g in own.get(form, ()) for x in g]),
            _sorted(shipped.get(form, ())),
        )
        missing = max(0.0, OWN_FIRES / rate - len(mine))
        evidence[form] = Evidence(mine, others, min(missing, len(others)))
        chosen = _for_form(evidence[form], rate, default)
        least = _least(evidence[form], rate, default, chosen[0])
        thresholds[form], basis[form] = max(chosen, least, key=lambda one: one[0])
        thresholds[form] = min(thresholds[form], 1.0)  # what is certain always fires
    return Calibrated(
        thresholds=thresholds,
        rate=rate,
        promised=all(one.keeps(rate, thresholds[form]) for form, one in evidence.items()),
        basis=basis,
        evidence=evidence,
        groups=own,
    )


def check_rate(rate: float) -> float:
    """The rate, if it is one that can be asked for.

    Raises:
        QueryError: It is not above 0 and at most :data:`MAX_RATE`.
    """
    if not 0.0 < rate <= MAX_RATE:
        raise QueryError(
            f"false_fire_rate: {rate} is not above 0 and at most {MAX_RATE}.",
            hint="Give the share of queries out of scope that may fire, such as 0.01 for 1 %.",
        )
    return rate


def design_effect(groups: Sequence[Sequence[bool]]) -> float:
    """By how much the variance of a share is wider because observations come in groups.

    Kish 1965, *Survey Sampling*, section 5.4: the variance of the share with the groups as the
    sampled units (a ratio estimate), over that of as many independent observations.

    Args:
        groups: The observations of each group.

    Returns:
        At least 1; 1 where there are fewer than two groups or nothing varies.
    """
    sizes = np.array([len(group) for group in groups if group], dtype=np.float64)
    hits = np.array([sum(group) for group in groups if group], dtype=np.float64)
    n, m = sizes.sum(), len(sizes)
    share = hits.sum() / n if n else 0.0
    if m < 2 or share in (0.0, 1.0):
        return 1.0
    clustered = m / (m - 1) * ((hits - share * sizes) ** 2).sum() / n**2
    return max(1.0, float(clustered / (share * (1 - share) / n)))


@lru_cache(maxsize=1)
def _shipped_file() -> dict[str, object]:
    text = resources.files("memedit.scope").joinpath("probe_scores.json").read_text("utf-8")
    return dict(json.loads(text))


def shipped_scores(scorer: str) -> dict[Form, list[float]]:
    """The shipped sample of probe scores by form; empty where another scorer made them.

    Args:
        scorer: Digest of the classifier in use (see :func:`memedit.scope.probes.scorer_digest`).
    """
    data = _shipped_file()
    scores = data["scores"]
    if data["scorer"] != scorer or not isinstance(scores, dict):
        return {}
    return {form: scores[form] for form in FORMS}


def _for_form(evidence: Evidence, rate: float, default: float) -> tuple[float, Basis]:
    threshold = evidence.threshold(rate)
    if threshold is None:  # above all that is known, but no promise
        known = [*evidence.own[-1:], *evidence.other[-1:]]
        highest = max((_above(score) for score in known), default=0.0)
        return (default, "default") if default >= highest else (highest, "own")
    if not evidence.weight:
        return threshold, "own"
    return threshold, "blend" if len(evidence.own) else "shipped"


def _least(evidence: Evidence, rate: float, default: float, own: float) -> tuple[float, Basis]:
    """The threshold for edits at large, lowered towards that of ``own`` scores."""
    at_large = Evidence(evidence.other, _NO_SCORES).threshold(rate)
    if at_large is None:
        return default, "default"
    trusted = TRUST * len(evidence.own) / evidence.n
    if own >= at_large or not trusted:
        return at_large, "shipped"
    odds = (1 - trusted) * _log_odds(at_large) + trusted * _log_odds(own)
    return 1 / (1 + math.exp(-odds)), "blend"


def _log_odds(probability: float) -> float:
    kept = min(max(probability, _HAIR), 1 - _HAIR)
    return math.log(kept / (1 - kept))


def _sorted(scores: Sequence[float]) -> Scores:
    return np.sort(np.asarray(scores, dtype=np.float64))


def _above(score: float) -> float:
    """The least number that ``score`` does not reach."""
    return math.nextafter(float(score), math.inf)


def _beta_interval(fired: int, n: int) -> tuple[float, float]:
    """The interval of :data:`LEVEL` of Beta(fired + 1, n - fired).

    Its distribution function at x is the probability of more than ``fired`` successes in ``n``
    trials of x (binomial tail), which bisection inverts.
    """
    tail = (1 - LEVEL) / 2
    if fired >= n:
        return 1.0, 1.0
    return (
        _bisect(lambda x: 1 - _binomial_cdf(fired, n, x), tail),
        _bisect(lambda x: 1 - _binomial_cdf(fired, n, x), 1 - tail),
    )


def _binomial_cdf(k: int, n: int, p: float) -> float:
    if p <= 0.0 or p >= 1.0:
        return float(p <= 0.0)
    log_p, log_q = math.log(p), math.log1p(-p)
    whole = math.lgamma(n + 1)
    return math.fsum(
        math.exp(whole - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * log_p + (n - i) * log_q)
        for i in range(k + 1)
    )


def _bisect(rising: Callable[[float], float], value: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < value else (low, middle)
    return (low + high) / 2
