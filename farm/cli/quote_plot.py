"""A quote as a picture: what time costs, and which way was taken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, TypeVar

from farm.clock import SystemClock
from farm.errors import Unavailable
from farm.spec import Option, Quote, Routing
from farm.spec.words import duration, money

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Number = TypeVar("Number", int, float)
CHOSEN, FRONT, OTHER, LIMIT = "#c2410c", "#1d4ed8", "0.55", "#b91c1c"
TIMES = {
    1: "1 s", 2: "2 s", 5: "5 s", 10: "10 s", 20: "20 s", 30: "30 s", 60: "1 min", 120: "2 min",
    300: "5 min", 600: "10 min", 1200: "20 min", 1800: "30 min", 3600: "1 h", 2 * 3600: "2 h",
    4 * 3600: "4 h", 8 * 3600: "8 h", 16 * 3600: "16 h", 86_400: "1 day", 2 * 86_400: "2 days",
    4 * 86_400: "4 days", 8 * 86_400: "8 days", 16 * 86_400: "16 days", 32 * 86_400: "32 days",
}  # fmt: skip
"""Where the axis of times is marked, in seconds, as far as it goes."""
STEPS = (1, 2, 5)
"""The same of costs, in each power of ten."""
MOST_MARKS = 9
"""On an axis."""
LETTERS = 125
"""Of a line of the reason."""
LEAST = 1e-6
LEAST_SPAN = 8.0
"""From one end of an axis to the other, at least so many times."""


def draw(quote: Quote, routing: Routing, path: Path, name: str) -> None:
    """Time across, cost upwards, both logarithmic; bars reach to what 9 of 10 runs stay under.

    Raises:
        Unavailable: the file cannot be written.
    """
    # A figure of its own, so that no display is asked for and no other figure is touched.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.6), dpi=140, layout="constrained")
    axes = figure.add_subplot()
    chosen, front, others = _parts(quote)
    axes.set(xscale="log", yscale="log")
    _ways(axes, others, OTHER, "passed over")
    _front(axes, front)
    rest = [one for one in front if (one.pool, one.devices) != (chosen.pool, chosen.devices)]
    _ways(axes, rest, FRONT, "no other is both cheaper and sooner")
    _choice(axes, chosen)
    _name(axes, chosen, CHOSEN, before=True)
    for option in rest:
        _name(axes, option, "0.25", before=True)
    for option in others:
        _name(axes, option, "0.25", before=False)
    _limits(axes, routing, SystemClock().now())
    _titled(axes, quote, name)
    _dress(axes)
    try:
        figure.savefig(path)
    except OSError as error:
        raise Unavailable(
            f"--plot: {path} cannot be written ({error.strerror}); name a file in a folder that can be."
        ) from None


def _parts(quote: Quote) -> tuple[Option, list[Option], list[Option]]:
    """The choice, the front, and what is neither."""
    decision = quote.decision
    chosen = _drawable(decision.chosen)
    front = [_drawable(option) for option in decision.front or (chosen,)]
    front.sort(key=lambda option: option.p50_seconds)
    known = {(option.pool, option.devices) for option in (chosen, *front)}
    others = [one for one in decision.alternatives if (one.pool, one.devices) not in known]
    return chosen, front, [_drawable(option) for option in others]


def _drawable(option: Option) -> Option:
    """What costs nothing has no place on a logarithmic axis but at its lower end."""
    names = ("p50_usd", "p90_usd", "p50_seconds", "p90_seconds")
    return option.model_copy(update={name: max(getattr(option, name), LEAST) for name in names})


def _ways(axes: Axes, options: Sequence[Option], colour: str, label: str) -> None:
    if not options:
        return
    times, costs = [one.p50_seconds for one in options], [one.p50_usd for one in options]
    axes.plot(times, costs, "o", color=colour, markersize=7, label=label, zorder=4)
    for one in options:
        _ninetieth(axes, one, colour)


def _ninetieth(axes: Axes, option: Option, colour: str, label: str = "_") -> None:
    """A line from the median to what nine of ten runs stay under, of time and cost at once."""
    times, costs = (option.p50_seconds, option.p90_seconds), (option.p50_usd, option.p90_usd)
    axes.plot(times, costs, color=colour, linewidth=1.0, alpha=0.7, zorder=3)
    axes.plot(
        times[1:], costs[1:], "o", color=colour, markerfacecolor="white", markersize=4, alpha=0.8,
        linestyle="none", label=label, zorder=3,
    )  # fmt: skip


def _front(axes: Axes, front: Sequence[Option]) -> None:
    times, costs = [one.p50_seconds for one in front], [one.p50_usd for one in front]
    # Between two ways nothing is to be had: the cheaper one is as good until the dearer is there.
    axes.step(times, costs, where="post", color=FRONT, linewidth=1.6, alpha=0.45, zorder=2)


def _choice(axes: Axes, chosen: Option) -> None:
    axes.plot(
        [chosen.p50_seconds], [chosen.p50_usd], marker="*", markersize=20, color=CHOSEN,
        markeredgecolor="white", linestyle="none", zorder=5,
        label=plain(f"taken: {duration(chosen.p50_seconds)}, {money(chosen.p50_usd)}"),
    )  # fmt: skip
    _ninetieth(axes, chosen, CHOSEN, "9 of 10 runs stay under")


def _name(axes: Axes, option: Option, colour: str, *, before: bool) -> None:
    """A way's pool and gang, on the side of its mark where nothing is drawn."""
    text = option.pool if option.devices == 1 else f"{option.pool} ×{option.devices}"
    axes.annotate(
        plain(text), (option.p50_seconds, option.p50_usd), xytext=(-10 if before else 10, -13),
        ha="right" if before else "left", textcoords="offset points", fontsize=9, color=colour,
        weight="bold" if colour == CHOSEN else "normal", zorder=6,
    )  # fmt: skip


def _limits(axes: Axes, routing: Routing, now: float) -> None:
    """The deadline and the budget, as lines with the side that keeps them."""
    style: dict[str, Any] = {"color": LIMIT, "linestyle": (0, (5, 3)), "linewidth": 1.2, "zorder": 1}
    if routing.deadline is not None and routing.deadline.timestamp() > now:
        axes.axvline(routing.deadline.timestamp() - now, label="deadline", **style)
    if routing.budget_usd is not None:
        axes.axhline(routing.budget_usd, label="budget", **{**style, "linestyle": (0, (1, 2))})


def _dress(axes: Axes) -> None:
    from matplotlib.ticker import NullLocator

    axes.margins(x=0.12, y=0.16)
    left, right = _span(*axes.get_xlim())
    bottom, top = _span(*axes.get_ylim())
    axes.set(xlim=(left, right), ylim=(bottom, top), xlabel="time until it is there", ylabel="cost")
    times = _thinned([time for time in TIMES if left <= time <= right])
    costs = [step * 10.0**power for power in range(-9, 7) for step in STEPS]
    costs = _thinned([cost for cost in costs if bottom <= cost <= top])
    axes.set_xticks(times, [TIMES[time] for time in times])
    axes.set_yticks(costs, [plain(f"${cost:.9f}".rstrip("0").rstrip(".")) for cost in costs])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    axes.grid(visible=True, which="major", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="best", fontsize=9)


def _thinned(marks: Sequence[Number]) -> list[Number]:
    """As many of the marks as there is room for."""
    return list(marks[:: -(-len(marks) // MOST_MARKS) or 1])


def _titled(axes: Axes, quote: Quote, name: str) -> None:
    work = f"{quote.width}×{quote.height}, {quote.megapixel_iterations:,.0f} megapixel-iterations"
    figure = axes.get_figure()
    assert figure is not None
    figure.suptitle(plain(f"{name}: {work}"), x=0.01, ha="left", fontsize=12, weight="bold")
    reason = fill(quote.decision.reason, LETTERS)
    axes.set_title(plain(reason), loc="left", fontsize=9, color="0.25", pad=10)


def _span(low: float, high: float) -> tuple[float, float]:
    """An axis's ends, drawn apart where they are too near each other to be marked."""
    if high / low >= LEAST_SPAN:
        return low, high
    middle, half = (low * high) ** 0.5, LEAST_SPAN**0.5
    return middle / half, middle * half


def plain(text: str) -> str:
    """Text in which a dollar is a dollar, and does not begin mathematics."""
    return text.replace("$", r"\$")
