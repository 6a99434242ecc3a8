"""Wall time under preemption: the worked check, closed forms, a Monte Carlo of the process."""

from __future__ import annotations

import numpy as np
import pytest

from farm.route.accelerator import Preemption
from farm.route.preemption import Losses, daly, hazard, losses, mean_between, seen, young

HOUR = 3600.0


def simulated(
    productive: float, interval: float, save: float, restart: float, known: Preemption, runs: int
) -> list[float]:
    """Wall seconds of runs that are preempted at random, each at a rate drawn from what is known."""
    draw = np.random.default_rng(7)
    walls = []
    for _ in range(runs):
        rate = draw.gamma(known.events) / known.hours / HOUR
        now = done = 0.0
        lost_at = draw.exponential(1 / rate)
        while True:
            step = min(interval, productive - done)
            last = done + step >= productive - 1e-9
            needs = step if last else step + save
            if now + needs <= lost_at:
                now, done = now + needs, done + step
                if last:
                    break
                continue
            now = lost_at
            while (lost_at := now + draw.exponential(1 / rate)) < now + restart:
                now = lost_at
            now += restart
        walls.append(now)
    return walls


def lost_by(
    productive: float, interval: float, save: float, restart: float, *known: Preemption | None
) -> Losses:
    """The losses of equal runs in pools of which that is known."""
    one, two, three, four = (
        np.full(len(known), value) for value in (productive, interval, save, restart)
    )
    return losses(one, two, three, four, hazard(list(known)))


def test_the_worked_check_of_the_design() -> None:
    interval = young(8, 2 * HOUR)
    assert interval == pytest.approx(339, abs=0.5)
    with_checkpoints = daly(3 * HOUR, interval, 8, 180, 2 * HOUR) / HOUR
    assert with_checkpoints == pytest.approx(3.226, abs=0.001)
    assert 3 / with_checkpoints == pytest.approx(0.93, abs=0.005)  # of the on-demand price
    without = daly(3 * HOUR, 3 * HOUR, 0, 180, 2 * HOUR) / HOUR
    assert 3 / without == pytest.approx(0.42, abs=0.005)


@pytest.mark.parametrize("interval", [339.0, np.inf], ids=["checkpoints", "none"])
def test_the_mean_is_dalys_when_the_rate_is_certain(interval: float) -> None:
    certain = Preemption(events=1e6, hours=2e6)
    tau = min(interval, 3 * HOUR)
    save = 8.0 if tau < 3 * HOUR else 0.0
    whole = 3 * HOUR + (3 * HOUR / tau - 1) * save
    wall = whole + lost_by(3 * HOUR, tau, save, 180.0, certain).mean[0]
    # Daly saves after the last stretch as well, which a run that is done does not.
    assert wall == pytest.approx(daly(3 * HOUR, tau, save, 180, 2 * HOUR), rel=2e-3)


@pytest.mark.parametrize(
    ("productive", "save", "restart", "events", "hours"),
    [
        pytest.param(3 * HOUR, 8.0, 180.0, 2.0, 4.0, id="the worked check, little known"),
        pytest.param(3 * HOUR, 8.0, 180.0, 40.0, 80.0, id="much known"),
        pytest.param(HOUR, 2.0, 300.0, 3.0, 12.0, id="mostly nothing is lost"),
        pytest.param(11 * HOUR, 20.0, 300.0, 1.0, 20.0, id="hardly anything known"),
    ],
)
def test_mean_and_quantiles_agree_with_the_process_itself(
    productive: float, save: float, restart: float, events: float, hours: float
) -> None:
    known = Preemption(events=events, hours=hours)
    interval = young(save, mean_between(known))
    walls = simulated(productive, interval, save, restart, known, 3000)
    lost = lost_by(productive, interval, save, restart, known)
    whole = productive + (productive / interval - 1) * save
    assert whole + lost.mean[0] == pytest.approx(np.mean(walls), rel=0.01)
    assert whole + lost.quantile(0.5)[0] == pytest.approx(np.quantile(walls, 0.5), rel=0.02)
    assert whole + lost.quantile(0.9)[0] == pytest.approx(np.quantile(walls, 0.9), rel=0.03)


def test_what_is_never_taken_away_loses_nothing() -> None:
    lost = lost_by(HOUR, 60.0, 1.0, 100.0, None, Preemption(events=1, hours=1))
    assert lost.none[0] == 1.0
    assert lost.mean[0] == lost.quantile(0.9)[0] == 0.0
    assert lost.mean[1] > 0


def test_a_run_without_checkpoints_on_capacity_that_never_lasts_is_hopeless_but_finite() -> None:
    lost = lost_by(1000 * HOUR, np.inf, 0.0, 100.0, Preemption(events=5, hours=1))
    assert np.isfinite(lost.mean[0])
    assert lost.mean[0] > 1e6 * HOUR


def test_what_is_seen_moves_what_is_known() -> None:
    prior = Preemption(events=2, hours=40)
    assert mean_between(prior) == pytest.approx(20 * HOUR)
    assert mean_between(seen(prior, 0, 1000)) == pytest.approx(520 * HOUR)
    assert mean_between(seen(prior, 98, 60)) == pytest.approx(HOUR)
