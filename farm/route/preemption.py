"""How long work takes on capacity that may be taken away: expected, and by quantiles.

Preemptions of a place come as a Poisson process whose rate is known as a Gamma posterior (see
``Preemption``): the prior counts as hours seen, each preemption adds one to ``events``, each hour that
a place was held adds one to ``hours``. A gang lies on one machine, which goes as a whole, so its rate
is that of one place.

Work of T productive seconds is cut into T/τ stretches, each with a checkpoint of δ seconds at its end
but the last. A preemption loses what was done since the last checkpoint and costs a restart of R
seconds, which may be cut short too. Given the rate, mean and variance of what is lost are exact; a
Gauss rule over the posterior mixes them. That nothing at all is lost has a closed probability; the
quantiles of the rest are those of a Gamma distribution of the same mean and variance (Wilson and
Hilferty). With checkpoints the quantiles are within 2 % of the wall time that a Monte Carlo run gives.

Young, CACM 17(9) 1974: the interval. Daly, FGCS 22(3) 2006: the expected wall time.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from farm.route.accelerator import Preemption

Floats: TypeAlias = NDArray[np.float64]

HOUR = 3600.0
NODES = 6
"""Of the Gauss rule over the rate: exact for polynomials of degree 11."""
_MOST = 60.0
"""Exponents beyond this mean "never" for any practical purpose, and must not overflow."""
_LEAST_SHAPE = 0.3
"""Of the Gamma distribution of losses; wilder ones, as without checkpoints, get too much time."""
_NEVER = 1e-12
"""Preemptions per second (one in 30 000 years) that stand for none, where a rate divides."""


def seen(prior: Preemption, preemptions: float, hours: float) -> Preemption:
    """What is known after so many more preemptions in so many more hours of places held."""
    return Preemption(events=prior.events + preemptions, hours=prior.hours + hours)


def mean_between(known: Preemption) -> float:
    """Expected seconds between two preemptions of a place: one over the mean rate."""
    return known.hours / known.events * HOUR


def young(save_seconds: float, mean_between: float) -> float:
    """Young's interval: productive seconds between checkpoints that cost least, √(2δM)."""
    return float(np.sqrt(2 * save_seconds * mean_between))


def daly(productive: float, interval: float, save: float, restart: float, mean_between: float) -> float:
    """Daly's expected wall time, in seconds, of ``productive`` seconds of work.

    Args:
        productive: seconds without checkpoints, T.
        interval: productive seconds between two of them, τ.
        save: seconds that one takes, δ.
        restart: seconds from a preemption until work goes on, R.
        mean_between: expected seconds between preemptions, M.
    """
    grow = np.exp(min(restart / mean_between, _MOST))
    stretch = np.expm1(min((interval + save) / mean_between, _MOST))
    return float(mean_between * grow * stretch * productive / interval)


@dataclass(frozen=True, eq=False)
class Hazard:
    """The posteriors of n pools, ready for arithmetic.

    ``rates`` are the nodes of the Gauss rule, preemptions per second, with their ``weights``, each
    (n, NODES); ``events`` and ``seconds`` (n,) are the Gamma parameters, 0 and 1 where nothing is
    ever taken away.
    """

    events: Floats
    seconds: Floats
    rates: Floats
    weights: Floats

    def take(self, index: NDArray[np.int64]) -> Hazard:
        """Those of the pools at ``index``."""
        return Hazard(self.events[index], self.seconds[index], self.rates[index], self.weights[index])


def hazard(known: list[Preemption | None]) -> Hazard:
    """The hazards of pools, None where nothing is ever taken away."""
    events = np.array([0.0 if one is None else one.events for one in known])
    seconds = np.array([1.0 if one is None else one.hours * HOUR for one in known])
    nodes, weights = _gauss(np.where(events > 0, events, 1.0))
    rates = np.where(events[:, None] > 0, nodes / seconds[:, None], 0.0)
    return Hazard(events, seconds, rates, weights)


@dataclass(frozen=True, eq=False)
class Losses:
    """What preemptions add to each of n runs, in seconds: their mean, and quantiles."""

    none: Floats
    """Probability that nothing is lost."""
    mean: Floats
    _given: Floats
    _shape: Floats

    def quantile(self, q: float) -> Floats:
        """Seconds that are lost at most with probability ``q``."""
        some = np.clip(1 - self.none, 1e-12, 1.0)
        inside = np.clip((q - self.none) / some, 0.0, 1 - 1e-9)
        # Wilson and Hilferty: the cube root of a Gamma variable is nearly normal.
        root = 1 - 1 / (9 * self._shape) + _normal(inside) / (3 * np.sqrt(self._shape))
        return np.where(inside > 0, self._given * np.maximum(root, 0.0) ** 3, 0.0)


def losses(productive: Floats, interval: Floats, save: Floats, restart: Floats, risk: Hazard) -> Losses:
    """What preemptions add to runs of ``productive`` seconds, beyond the checkpoints themselves.

    All (n,), in seconds; see the module for the model. An infinite ``interval`` means no checkpoints.
    """
    stretches = np.maximum(1.0, productive / interval)
    whole = productive + (stretches - 1) * save
    mean, square = _moments(risk, (whole / stretches)[:, None], restart[:, None], stretches[:, None])
    none = (1 + whole / risk.seconds) ** -risk.events
    some = np.maximum(1 - none, 1e-300)
    given = mean / some
    spread = np.maximum(square / some - given**2, 1e-12 * given**2 + 1e-300)
    return Losses(none, mean, given, np.maximum(given**2 / spread, _LEAST_SHAPE))


def _moments(risk: Hazard, length: Floats, restart: Floats, stretches: Floats) -> tuple[Floats, Floats]:
    """Mean and mean square of all losses of a run of ``stretches`` of ``length`` seconds each.

    A stretch fails a geometric number of times before it succeeds. Each time it loses the time until
    the preemption, exponential and below ``length``, and a restart that is itself begun anew until it
    gets through.
    """
    rate = np.maximum(risk.rates, _NEVER)
    x = np.minimum(rate * length, _MOST)
    y = np.minimum(rate * restart, _MOST)
    fails = np.expm1(x)  # expected failures of a stretch
    small = x < 1e-3
    safe = np.where(small, 1.0, fails)
    lost = np.where(small, length * (0.5 - x / 12), 1 / rate - length / safe)
    lost2 = np.where(
        small, length**2 * (1 / 3 - x / 12), 2 / rate**2 - (length**2 + 2 * length / rate) / safe
    )
    again = np.expm1(y) / rate
    again_var = np.where(
        y < 1e-3, rate * restart**3 / 3, (np.expm1(2 * y) - 2 * y * np.exp(y)) / rate**2
    )
    each = lost + again
    mean = stretches * fails * each
    var = stretches * fails * (lost2 - lost**2 + again_var + (1 + fails) * each**2)
    where = risk.weights * (risk.rates > 0)
    return (where * mean).sum(axis=1), (where * (var + mean**2)).sum(axis=1)


def _gauss(shape: Floats) -> tuple[Floats, Floats]:
    """Nodes and weights of the Gauss rule for Gamma distributions of scale 1 (Golub and Welsch)."""
    k = np.arange(NODES)
    matrix = np.zeros((len(shape), NODES, NODES))
    matrix[:, k, k] = 2 * k + shape[:, None]
    side = np.sqrt(k[1:] * (k[1:] + shape[:, None] - 1))
    matrix[:, k[1:], k[:-1]] = side
    matrix[:, k[:-1], k[1:]] = side
    nodes, vectors = np.linalg.eigh(matrix)
    return nodes, vectors[:, 0, :] ** 2


_GRID = np.concatenate([[1e-9], np.linspace(0.0005, 0.9995, 2000), [1 - 1e-9]])
_NORMAL = np.array([NormalDist().inv_cdf(q) for q in _GRID])


def _normal(q: Floats) -> Floats:
    """Quantiles of the normal distribution; read from a table, to three digits between the tails."""
    return np.asarray(np.interp(q, _GRID, _NORMAL))
