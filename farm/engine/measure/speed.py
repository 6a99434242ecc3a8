"""The law that quotes reckon speeds with, fitted to what was measured."""

from __future__ import annotations

from collections.abc import Sequence


def fit_speed(megapixels: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    """``(rate_inf, p_half)`` of ``rate(p) = rate_inf · p / (p + p_half)`` from seconds per iteration.

    That law is a straight line, ``seconds = (p + p_half) / rate_inf``, fitted here by least squares of
    the relative error. Where noise makes a line that no machine could have (time saved by more pixels,
    or done before it began) it is all pixels over all seconds, and ``p_half`` 0.
    """
    weights = [1 / value**2 for value in seconds]
    total = sum(weights)
    p_mean = sum(w * p for w, p in zip(weights, megapixels, strict=True)) / total
    t_mean = sum(w * t for w, t in zip(weights, seconds, strict=True)) / total
    points = list(zip(weights, megapixels, seconds, strict=True))
    variance = sum(w * (p - p_mean) ** 2 for w, p, _ in points)
    covariance = sum(w * (p - p_mean) * (t - t_mean) for w, p, t in points)
    slope = covariance / variance if variance else 0.0
    start = t_mean - slope * p_mean
    if slope > 0 and start >= 0:
        return 1 / slope, start / slope
    return sum(megapixels) / sum(seconds), 0.0
