"""Faults one after the other, each drawn by a seed and followed by an audit of everything."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from statistics import median

import chaos_audit
from chaos_databases import looked_at
from chaos_faults import Fault, catalogue
from chaos_outcome import Outcome, Table
from chaos_site import Round, Site
from chaos_watch import Watch, order

PATIENCE = 240.0
"""Seconds in which a job has to end after its fault, or counts as lost."""
TRIES = 4
STRENGTHS = (0.4, 0.8)


class Storm:
    """A run of faults on one site.

    Args:
        say: told a line after every fault.
        strengths: those of the prints; each on each number of devices has an undisturbed run first.
        most: prints under way at a time, at most.
        late: how likely one more print is handed in right after the fault.
    """

    def __init__(
        self, site: Site, table: Table, seed: int, say: Callable[[str], None],
        strengths: Sequence[float] = STRENGTHS, most: int = 2, late: float = 0.3,
    ) -> None:  # fmt: skip
        self.site, self.table, self._say, self._strengths = site, table, say, strengths
        self._most, self._late = most, late
        self._chance = random.Random(f"{seed} {site.name}")
        self._names = (f"{site.name.replace(' ', '-')}-{number}" for number in count(1))
        self._right: dict[chaos_audit.Layout, str] = {}
        self._overheads: list[float] = []

    def calm(self) -> None:
        """The undisturbed runs that all others are compared with."""
        for strength in self._strengths:
            for devices in self.site.devices:
                watch = self._order(strength, devices)
                watch.join(PATIENCE)
                assert watch.events[-1].kind == "done", watch.events[-1]
                assert chaos_audit.layout(watch) == (strength, devices)
                done = watch.events[-1]
                self._right[strength, devices] = chaos_audit.pixels_of(self.site.store, done)
                self._measure(watch)
        assert len(set(self._right.values())) >= len(self._strengths), "all prints look the same"

    def run(self, faults: Sequence[Fault], until: float) -> None:
        """Inject them, until the time is up (``time.monotonic``)."""
        for number, fault in enumerate(faults, 1):
            if time.monotonic() >= until:
                self._say(f"{self.site.name}: the time was up after {number - 1} faults")
                return
            began = time.monotonic()
            outcome = self._tried(fault)
            self.table.add(outcome)
            times = ", ".join(f"{seconds:.1f}" for seconds in outcome.seconds) or "–"
            self._say(
                f"{self.site.name} {number}/{len(faults)}: {outcome.fault}; progress after {times} s; "
                f"{time.monotonic() - began:.0f} s in all; {'; '.join(outcome.findings) or 'all well'}"
            )

    def drawn(self, number: int) -> list[Fault]:
        """So many faults: every kind once in a drawn order, then again in another."""
        return [fault for fault, _ in zip(self._endless(), range(number), strict=False)]

    def _endless(self) -> Iterator[Fault]:
        kinds = catalogue(self.site)
        while True:
            self._chance.shuffle(kinds)
            yield from kinds

    def _tried(self, fault: Fault) -> Outcome:
        """One fault; again where all had ended before it could strike."""
        for _ in range(TRIES):
            outcome = self._round(fault)
            if outcome is not None:
                return outcome
        raise AssertionError(f"{fault.name}: there was nothing to strike in {TRIES} rounds")

    def _round(self, fault: Fault) -> Outcome | None:
        site, chance = self.site, self._chance
        if fault.armed:
            site.farm.kill_at.write_text(fault.armed, encoding="utf-8")
        watches = [
            self._order(chance.choice(self._strengths), chance.choice(site.devices))
            for _ in range(chance.randint(1, self._most))
        ]
        kind = chance.choice(fault.when)
        if not fault.armed:
            watches[0].wait(lambda seen: any(event.kind == kind for event in seen), PATIENCE)
            time.sleep(chance.uniform(0.0, 0.5))
        around = Round(site, watches, chance)
        busy = around.busy
        attempts = {watch.id: watch.attempt + (fault.ends and watch.attempt > 0) for watch in busy}
        struck = fault.strike(around)
        late = [self._order(chance.choice(self._strengths), 1)] if chance.random() < self._late else []
        for watch in (*watches, *late):
            watch.join(PATIENCE)
        site.mend()
        outcome = self._audited(fault, [*watches, *late])
        if struck is None and not outcome.findings:
            return None
        found = [watch.next_progress(struck or 0.0, attempts[watch.id]) for watch in busy]
        seconds = tuple(each for each in found if each is not None)
        return replace(outcome, under_way=len(busy), seconds=seconds)

    def _order(self, strength: float, devices: int) -> Watch:
        name = next(self._names)
        order(self.site.farm.url, self.site.job(strength, devices, name), name, PATIENCE)
        watch = Watch(self.site.farm.url, name, strength, PATIENCE)
        watch.start()
        return watch

    def _audited(self, fault: Fault, watches: Sequence[Watch]) -> Outcome:
        ranks = self.site.ranks_left()
        with looked_at(self.site.database) as queue:
            for node in queue.nodes():
                if node.out:
                    queue.readmit(node.name)
            return Outcome(
                fault.name,
                lost=chaos_audit.lost(queue, watches),
                twice=chaos_audit.done_twice(queue, watches),
                wrong=chaos_audit.wrong_pictures(watches, self.site.store, self._right),
                gaps=chaos_audit.gaps(queue, watches),
                leases=chaos_audit.stale(queue, ranks),
                rows=chaos_audit.rows(queue),
            )

    def _measure(self, watch: Watch) -> None:
        """What an undisturbed print took beyond its rank's own work."""
        done = watch.events[-1]
        begun = next(event.at for event in watch.events if event.kind == "routed")
        self._overheads.append(done.at - begun - sum(stage.seconds for stage in done.stages))

    def overhead(self) -> str:
        """The same in words."""
        return (
            f"{self.site.name}: an undisturbed print took {median(self._overheads):.1f} s (median of "
            f"{len(self._overheads)}) beyond its rank's own work: to place, start and record it"
        )
