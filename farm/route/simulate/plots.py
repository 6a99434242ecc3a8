"""A comparison drawn: what was paid for, what an hour cost, when pictures were there, what was busy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from farm.errors import Unavailable
from farm.route.simulate.comparison import Comparison
from farm.route.simulate.record import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#1b5e9c", "#c8553d", "#e0a458", "#7a8b99", "#4d9078", "#8e6c8a")
"""One a policy, in their order."""
PARTS = (("work", 1.0), ("starts", 0.55), ("lost", 0.35), ("kept warm", 0.2))
"""What is paid for, and how much of a policy's colour it is drawn in."""
TYPES = ("#0b3c5d", "#328cc1", "#6fb98f", "#d9b310", "#e07a5f", "#a23e48", "#6d597a", "#9aa5b1")
HOUR = 3600.0


def draw(found: Comparison, path: Path) -> None:
    """Draw ``found`` into ``path``.

    Raises:
        Unavailable: the file cannot be written.
    """
    # A figure of its own, so that no display is asked for and no other figure is touched.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8.4), dpi=130, layout="constrained")
    axes = figure.subplots(2, 2)
    colours = dict(zip((one.policy for one in found.outcomes), COLOURS * 3, strict=False))
    _costs(axes[0][0], found, colours)
    _spending(axes[0][1], found, colours)
    _ready(axes[1][0], found, colours)
    _busy(axes[1][1], found.records[0])
    trace = found.trace
    figure.suptitle(
        f"{trace.name}: {len(trace.orders):,} orders, {sum(p.count for p in trace.pools):,} "
        f"accelerators in {len(trace.pools)} pools, {trace.seconds / HOUR:g} h, seed {trace.seed}",
        fontsize=12, fontweight="bold",
    )  # fmt: skip
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
    except OSError as error:
        raise Unavailable(
            f"{path}: cannot be written ({error.strerror}); name a file in a folder you may write."
        ) from None


def _costs(axes: Axes, found: Comparison, colours: dict[str, str]) -> None:
    """A bar a policy, in parts, with the deadlines that it missed."""
    most = max(one.usd for one in found.outcomes)
    for row, one in enumerate(found.outcomes):
        others = one.starting_usd, one.lost_usd, one.idle_usd
        left = 0.0
        for (_, alpha), usd in zip(PARTS, (one.usd - sum(others), *others), strict=True):
            axes.barh(row, usd, left=left, height=0.62, color=colours[one.policy], alpha=alpha)
            left += usd
        axes.text(
            left + most * 0.015, row, f"${one.usd:,.0f}\n{one.misses:.2%} missed", va="center",
            fontsize=9, linespacing=1.25,
        )  # fmt: skip
    axes.set_yticks(range(len(found.outcomes)), [one.policy for one in found.outcomes])
    axes.invert_yaxis()
    axes.set_xlim(0, most * 1.24)
    for name, alpha in PARTS:
        axes.barh(0, 0, color="0.25", alpha=alpha, label=name)
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.42, -0.1))
    _tidy(axes, "what was paid, USD, and feasible deadlines missed", "x")
    axes.xaxis.set_major_formatter("{x:,.0f}")


def _spending(axes: Axes, found: Comparison, colours: dict[str, str]) -> None:
    for record in found.records:
        hours = np.array(record.samples.at) / HOUR
        axes.plot(
            hours, record.samples.usd_hour, color=colours[record.policy], label=record.policy,
            linewidth=2.0 if record is found.records[0] else 1.3,
        )  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_xlabel("hours of the trace")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.legend(frameon=False, fontsize=8)
    _tidy(axes, "accelerators at work, USD an hour", "both")


def _ready(axes: Axes, found: Comparison, colours: dict[str, str]) -> None:
    orders = found.trace.orders
    for record in found.records:
        ready = record.ended - orders.at
        kept = np.sort(ready[np.isfinite(ready) & ~np.isfinite(orders.due)])
        if len(kept):
            shown = np.unique(np.linspace(0, len(kept) - 1, 800).astype(int))
            axes.plot(
                kept[shown] / 60, (shown + 1) / len(kept), color=colours[record.policy],
                linewidth=2.0 if record is found.records[0] else 1.3,
            )  # fmt: skip
    axes.set_xscale("log")
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("minutes from the order")
    _tidy(axes, "pictures that are there, of orders without a deadline", "both")


def _busy(axes: Axes, record: Record) -> None:
    """Accelerators in use of the first policy, by type; what can be had as a line."""
    pools, samples = record.trace.pools, record.samples
    hours, busy = np.array(samples.at) / HOUR, np.array(samples.busy)
    kinds = [(pool.accelerator.name, pool.market) for pool in pools]
    names = list(dict.fromkeys(name for name, _ in kinds))
    layers, styles = [], []
    for name, colour in zip(names, TYPES * 3, strict=False):
        for market in ("spot", "on-demand"):
            layers.append(busy[:, [kind == (name, market) for kind in kinds]].sum(axis=1))
            styles.append((name if market == "spot" else "_", colour, market))
    patches = axes.stackplot(hours, layers, colors=[colour for _, colour, _ in styles])
    for patch, (label, _, market) in zip(patches, styles, strict=True):
        patch.set(label=label, linewidth=0)
        if market == "on-demand":
            patch.set(hatch="////", edgecolor="white", linewidth=0)
    axes.set_xlim(0, hours.max() if len(hours) else 1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("hours of the trace")
    axes.legend(frameon=False, fontsize=8, ncols=2, reverse=True)
    _tidy(axes, f"accelerators that {record.policy} has in use (hatched: on demand)", "both")


def _tidy(axes: Axes, title: str, grid: Any) -> None:
    axes.set_title(title, fontsize=10.5, loc="left")
    axes.grid(visible=True, axis=grid, alpha=0.25, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
