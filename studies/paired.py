"""What pairs of runs show: mean difference, intervals, exact p, and one word.

A pair is one seed for both arms: initialization, labeled scans, order of the data. Shape letter:
n pairs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy import stats

LEVEL = 0.05
LEAST_PAIRS = 6  # five pairs have no p below 0.0625, whatever they say
_RESAMPLES = 10_000
_EXACT_PAIRS = 16  # all 2^n signs up to here, beyond that as many drawn ones as resamples


class Verdict(Enum):
    """The one word of a comparison."""

    SHOWN = 'shown'
    NOT_SHOWN = 'not shown'
    TOO_FEW = 'too few pairs'


@dataclass(frozen=True)
class PairedDifference:
    """Differences of two arms, pair by pair.

    Attributes:
        gains: Differences, one per pair.
        mean: Their mean.
        std: Their sample standard deviation; NaN of one pair.
        bca: 95 % interval of the mean, bias-corrected and accelerated bootstrap of 10,000 samples
            (Efron, 1987); NaN of one pair.
        t: 95 % interval of the mean from Student's t, beside it.
        p: Exact two-sided p of the sign-flip test: the share of the 2^n signs of the gains whose
            mean lies at least as far out.
        improvement: Share of the pairs that gained, a tie counting half.
    """

    gains: tuple[float, ...]
    mean: float
    std: float
    bca: tuple[float, float]
    t: tuple[float, float]
    p: float
    improvement: float

    @property
    def pairs(self) -> int:
        """Number of pairs."""
        return len(self.gains)


def paired_difference(gains: Sequence[float]) -> PairedDifference:
    """Everything the report says of the gains of one comparison.

    Args:
        gains: Differences, one per pair; finite.

    Raises:
        ValueError: If there are none, or one is not finite: a diverged run is no number.

    Example:
        >>> found = paired_difference([1.0, 2.0, 3.0, 2.0, 1.0, 3.0])
        >>> found.mean, found.p, found.improvement
        (2.0, 0.03125, 1.0)
    """
    values = np.asarray(gains, dtype=np.float64)
    if not len(values) or not np.isfinite(values).all():
        raise ValueError(f'gains must be one or more finite numbers, but got {list(gains)}')
    mean = float(values.mean())
    std, bca, t = _spread(values)
    ahead = np.where(values == 0, 0.5, values > 0)
    return PairedDifference(
        tuple(values.tolist()),
        mean,
        std,
        bca,
        t,
        _sign_flip_p(values),
        float(ahead.mean()),
    )


def _sign_flip_p(values: np.ndarray) -> float:
    if len(values) == 1:
        return 1.0  # of two signs both lie as far out
    exact = len(values) <= _EXACT_PAIRS
    found = stats.permutation_test(
        (values,),
        np.mean,
        permutation_type='samples',
        n_resamples=np.inf if exact else _RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return min(float(found.pvalue), 1.0)


def _spread(values: np.ndarray) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """Deviation, BCa interval and t interval of the mean."""
    mean, unknown = float(values.mean()), (float('nan'),) * 2
    if len(values) == 1:
        return float('nan'), unknown, unknown
    std = float(values.std(ddof=1))
    if std == 0:  # the bootstrap has nothing to resample
        return 0.0, (mean, mean), (mean, mean)
    bootstrap = stats.bootstrap(
        (values,), np.mean, n_resamples=_RESAMPLES, method='BCa', rng=np.random.default_rng(0)
    ).confidence_interval
    t = stats.ttest_1samp(values, 0).confidence_interval(1 - LEVEL)
    return std, (float(bootstrap.low), float(bootstrap.high)), (float(t.low), float(t.high))


def smallest_p(pairs: int) -> float:
    """The smallest p that the sign-flip test can give: 2 / 2^n.

    Example:
        >>> [smallest_p(n) for n in (3, 6, 8)]
        [0.25, 0.03125, 0.0078125]
    """
    return 2.0 ** (1 - pairs)


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Adjusted p of several claims that are made together (Holm, 1979).

    Example:
        >>> holm({'P1': 0.01, 'P2': 0.04, 'P3': 0.03})
        {'P1': 0.03, 'P3': 0.06, 'P2': 0.06}
    """
    adjusted, largest = {}, 0.0
    for rank, name in enumerate(sorted(p, key=p.get)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[name]))
        adjusted[name] = largest
    return adjusted


def verdict(difference: PairedDifference, adjusted_p: float, claims: int) -> Verdict:
    """Judge a claim "the arm is better than what it is compared with".

    It is shown only where test and interval agree ("When +1% Is Not Enough", arXiv 2511.19794).

    Args:
        difference: What was measured.
        adjusted_p: Its p after Holm's correction.
        claims: How many claims share the pairs; with fewer than six pairs, or more claims than the
            pairs can carry, no result whatever could show one.
    """
    if difference.pairs < LEAST_PAIRS or claims * smallest_p(difference.pairs) > LEVEL:
        return Verdict.TOO_FEW
    if adjusted_p <= LEVEL and difference.bca[0] > 0:
        return Verdict.SHOWN
    return Verdict.NOT_SHOWN


def pairs_needed(effect: float, std: float, power: float = 0.8) -> int:
    """Pairs with which a paired t test finds an effect, as a plan for the next study.

    Args:
        effect: Mean difference looked for, in the unit of ``std``.
        std: Standard deviation of the differences.
        power: How often it shall be found.

    Example:
        >>> pairs_needed(effect=4.0, std=2.0), pairs_needed(effect=1.2, std=2.3)
        (6, 31)
    """
    if not effect or not np.isfinite(std):
        raise ValueError(f'effect and std must be known and not zero, but got {effect} and {std}')
    pairs = LEAST_PAIRS
    while pairs < 10_000:
        free = pairs - 1
        shift = abs(effect) / std * np.sqrt(pairs) if std else np.inf
        limit = stats.t.ppf(1 - LEVEL / 2, free)
        if stats.nct.sf(limit, free, shift) >= power or np.isinf(shift):
            break
        pairs += 1
    return pairs
