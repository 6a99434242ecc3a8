"""A print's cost goes into the books as it runs, caps hold it back, and quotes learn from it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from dispatch_cases import SECONDS_PER_EVENT, Bench, Here, midway, once, raises

from farm.clock import ManualClock
from farm.dispatch.learner import FRESH_SECONDS, Learner
from farm.dispatch.purse import OverCap, Purse
from farm.dispatch.retry import WorkerLost
from farm.dispatch.tally import Tally
from farm.queue import MemoryQueue, Offer
from farm.route import caps
from farm.route.accelerator import Pool
from farm.route.calibration import local_pools
from farm.spec import Decision, Event, Job, JobState, Option, parse_job
from farm.spec.cost import Pace, Quoted
from farm.spec.event import Adjusted, Checkpointed, Done, Progress, Routed


def dear(bench: Bench, usd_hour: float = 3600.0) -> None:
    """Make every second of the bench's one machine cost a dollar."""
    (pool,) = bench.pools()
    machine = pool.accelerator.model_copy(update={"usd_per_hour": usd_hour, "checkpoint_seconds": 0.0})
    bench.pools = lambda: (pool.model_copy(update={"accelerator": machine}),)


def progress(scale: int, iteration: int, share: float) -> Progress:
    return Progress(
        task="t", attempt=1, scale=scale, scales=2, width=8, height=8, iteration=iteration,
        iterations=10, loss=1.0, share=share,
    )  # fmt: skip


def a_job() -> Job:
    spec = {"farm": 1, "kind": "print", "content": "a.png", "styles": [{"name": "waves"}]}
    return parse_job({**spec, "output": {"long_edge": 64}})


def resubmit(bench: Bench, p90: float) -> None:
    """Submit ``j1`` with what it may cost reserved for it."""
    job = bench.submit("template")
    bench.queue.cancel("template")
    quoted = Quoted(pool="local", p50_seconds=1, p90_seconds=1, p50_usd=p90, p90_usd=p90)
    bench.queue.add("j1", job, offer=Offer(quoted, caps.accept))


# --- the books ------------------------------------------------------------------------------------


def test_a_prints_cost_is_that_of_all_its_attempts(any_bench: Bench) -> None:
    bench = any_bench
    dear(bench)
    bench.meddle = once(raises(WorkerLost("gone.")), midway)
    bench.submit()
    bench.finish()
    first, second = bench.queue.runs("j1")
    assert first.seconds > SECONDS_PER_EVENT
    assert bench.done().usd == pytest.approx(first.usd + second.usd)
    assert bench.done().usd == pytest.approx(first.seconds + second.seconds)
    assert bench.queue.cost("j1").spent_usd == bench.done().usd
    (line,) = bench.queue.costs("pool")
    assert (line.key, line.jobs, line.attempts, line.usd) == ("local", 1, 2, bench.done().usd)
    counted = bench.meter.exposition().decode()
    assert f'farm_cost_usd_total{{pool="local"}} {bench.done().usd}' in counted


def test_a_pace_is_recorded_with_checkpoints_and_with_the_end(bench: Bench) -> None:
    bench.submit()
    seen: list[Pace | None] = []

    def watch(_run: Here, event: Event) -> None:
        if isinstance(event, Checkpointed | Done):
            seen.extend(run.pace for run in bench.queue.runs("j1"))

    bench.meddle = watch
    bench.finish()
    paces = [pace for pace in seen if pace]
    assert paces
    assert all(pace.beside is None for pace in paces), "nothing has gone from start to end yet"
    (run,) = bench.queue.runs("j1")
    assert run.pace is not None
    assert run.pace.beside is not None
    done = bench.done()
    told = [event for event in bench.events("progress")]
    assert run.pace.seconds == pytest.approx(told[-1].at - told[0].at)
    assert run.pace.beside < done.seconds
    work = bench.dispatcher()._quoter.quote(bench.queue.job("j1").spec, (48, 40)).megapixel_iterations
    share = told[-1].share - told[0].share
    assert run.pace.megapixel_iterations == pytest.approx(work * share, rel=0.01)


def test_an_attempt_that_went_on_from_a_checkpoint_says_nothing_of_start_ups(bench: Bench) -> None:
    bench.meddle = once(raises(WorkerLost("gone.")), midway)
    bench.submit()
    bench.finish()
    first, second = bench.queue.runs("j1")
    assert first.pace is not None
    assert second.pace is not None
    assert (first.pace.beside, second.pace.beside) == (None, None)


# --- caps -----------------------------------------------------------------------------------------


def test_a_print_is_parked_at_the_cap_and_goes_on_from_its_checkpoint(any_bench: Bench) -> None:
    bench = any_bench
    dear(bench)
    bench.queue.set_cap("default", 4.0)
    bench.submit()
    dispatcher = bench.dispatcher()
    assert dispatcher.tick()
    job = bench.queue.job("j1")
    assert job.state is JobState.PAUSED
    assert job.reason.startswith("project default has spent $")
    assert "of its $4.00 a month; the job goes on from its checkpoint when $" in job.reason
    assert bench.events("paused")[-1].reason == job.reason
    checkpoint = bench.queue.tasks("j1")[0].checkpoint
    assert checkpoint is not None
    account = bench.queue.account("default")
    longest = 15.0 + 2 * SECONDS_PER_EVENT
    assert account.spent_usd <= 4.0 + longest, "no more than one checkpoint interval above the cap"
    bench.finish(dispatcher)
    assert bench.state() is JobState.PAUSED, "it stays so while there is no money"
    bench.queue.set_cap("default", 1e6)
    bench.finish(dispatcher)
    assert bench.state() is JobState.DONE
    assert [event.reason for event in bench.events("resumed")] == ["its project can bear it again"]
    assert bench.events("started")[-1].attempt == 2


def test_a_print_within_its_reservation_is_left_alone(bench: Bench) -> None:
    dear(bench)
    bench.queue.set_cap("default", 1000.0)
    resubmit(bench, p90=999.0)
    bench.finish()
    assert bench.state() is JobState.DONE
    account = bench.queue.account("default")
    assert account.reserved_usd == 0.0
    assert account.spent_usd == pytest.approx(bench.done().seconds, abs=1e-3)


def test_what_holds_nothing_does_not_begin_where_nine_tenths_are_spent(bench: Bench) -> None:
    dear(bench)
    bench.queue.set_cap("default", 1000.0)
    resubmit(bench, p90=999.0)
    bench.finish()
    spent = bench.queue.account("default").spent_usd
    bench.queue.set_cap("default", spent / 0.91)
    bench.submit("j2")
    dispatcher = bench.dispatcher()
    dispatcher.tick()
    assert bench.queue.job("j2").state is JobState.PAUSED
    assert bench.queue.runs("j2") == [], "nothing was begun, so nothing was spent"
    assert bench.queue.attempts("j2")[0].cause == "budget"
    bench.queue.set_cap("default", None)
    bench.finish(dispatcher)
    assert bench.queue.job("j2").state is JobState.DONE


def test_many_that_outgrow_their_quotes_pass_a_cap_by_one_interval_of_one_of_them() -> None:
    """Each second costs each of them a dollar; they keep a checkpoint every five, one after another."""
    clock, interval, cap = ManualClock(), 5.0, 100.0
    queue = MemoryQueue(clock)
    queue.set_cap("default", cap)
    way = Option(
        pool="local", accelerator="cpu", p50_seconds=4, p90_seconds=8, p50_usd=4, p90_usd=8,
        usd_per_hour=3600.0, checkpoint_seconds=interval,
    )  # fmt: skip
    quoted = Quoted(pool="local", p50_seconds=4, p90_seconds=8, p50_usd=4, p90_usd=8)
    running = {}
    for number in range(4):
        queue.add(f"j{number}", a_job(), offer=Offer(quoted, caps.accept))
        lease = queue.claim("w", 1e6)
        assert lease is not None
        queue.record(lease, Routed(task=lease.task, decision=Decision(chosen=way, reason="only")))
        running[lease.task] = lease
    while running:
        for lease in list(running.values()):
            clock.advance(interval / 4)
            mark = Checkpointed(task=lease.task, attempt=1, blob="c" * 64, scale=1, iteration=1)
            queue.checkpoint(lease, mark)
            try:
                Purse(queue, lease).go_on(way, interval, left=1000.0)
            except OverCap as over:
                queue.park(lease, over.message, over.wanted)
                del running[lease.task]
    account = queue.account("default")
    assert cap - 4 * interval < account.spent_usd <= cap + interval
    assert account.reserved_usd <= interval
    assert {job.state for job in queue.jobs()} == {JobState.PAUSED}


def test_who_cancels_a_print_that_is_being_parked_cancels_it(bench: Bench) -> None:
    dear(bench)
    bench.queue.set_cap("default", 4.0)
    bench.submit()

    def meddle(run: Here, event: Event) -> None:
        if run.wish == "pause":
            bench.queue.cancel("j1", "no more")

    bench.meddle = meddle
    bench.dispatcher().tick()
    assert bench.state() is JobState.CANCELLED
    assert bench.queue.cost("j1").parked == ""


# --- what is learnt -------------------------------------------------------------------------------


def test_quotes_come_closer_with_every_run(bench: Bench) -> None:
    """The bench's clock makes every event take as long, which no catalogue would guess."""
    plain = bench.pools
    bench.pools = Learner(plain, bench.queue, bench.clock)
    errors = []
    for number in range(9):
        bench.submit(f"j{number}")
        bench.clock.advance(FRESH_SECONDS)
        bench.dispatcher().tick()
        (run,) = bench.queue.runs(f"j{number}")
        errors.append(abs(run.p50_seconds / run.seconds - 1))
    assert errors[-1] < 0.1 < errors[0]
    assert errors[-1] < errors[2] < errors[0]


def test_what_was_learnt_is_looked_up_again_in_time_and_when_pools_change(bench: Bench) -> None:
    asked: list[str] = []

    class Counting(MemoryQueue):
        def paces(self, pool: str, extractor: str, limit: int = 50) -> list[tuple[float, Pace]]:
            asked.append(pool)
            return super().paces(pool, extractor, limit)

    clock = ManualClock()
    there: list[Sequence[Pool]] = [local_pools(bench.settings)]
    learner = Learner(lambda: there[-1], Counting(clock), clock)
    first = learner()
    looked = len(asked)
    assert learner() is first
    clock.advance(-10)
    assert learner() is first
    assert len(asked) == 2 * looked, "a clock that jumps back must not stop it for ever"
    clock.advance(FRESH_SECONDS)
    assert learner() is first, "the same objects while nothing has changed"
    assert len(asked) == 3 * looked
    there.append([first[0].model_copy(update={"name": "other"})])
    assert learner()[0].name == "other"
    assert asked[-1] == "other"


def test_a_tally_counts_between_the_first_sign_of_progress_and_the_last() -> None:
    clock = ManualClock()
    tally = Tally(clock)
    for seconds, event in (
        (30.0, progress(1, 1, 0.1)), (2.0, progress(1, 10, 0.3)), (3.0, progress(2, 5, 0.6)),
    ):  # fmt: skip
        clock.advance(seconds)
        tally.note(event)
    clock.advance(50)
    tally.note(Done())
    stretch = tally.stretch
    assert stretch is not None
    assert (stretch.since, stretch.until, stretch.seconds) == ((1, 1), (2, 5), 5.0)
    assert stretch.share == pytest.approx(0.5)
    assert tally.left(2.0) == pytest.approx(0.4 * 5 / 0.5 * 2)


def test_a_clock_that_jumps_back_makes_nothing_look_fast() -> None:
    clock = ManualClock()
    tally = Tally(clock)
    for seconds, iteration in ((1.0, 1), (4.0, 2), (-3600.0, 3), (4.0, 4)):
        clock.advance(seconds)
        tally.note(progress(1, iteration, iteration / 10))
    assert tally.stretch is not None
    assert tally.stretch.seconds == 8.0


def test_what_was_changed_on_the_way_is_looked_at_from_there() -> None:
    clock = ManualClock()
    tally = Tally(clock)
    tally.note(progress(1, 8, 0.8))
    tally.note(Adjusted(task="t", attempt=1, cause="diverged", reason="half the step"))
    assert not tally.whole
    assert (tally.stretch, tally.share, tally.left(1.0)) == (None, 0.0, None)
    tally.note(progress(1, 2, 0.2))
    clock.advance(4)
    tally.note(progress(1, 6, 0.6))
    assert tally.stretch is not None
    assert (tally.stretch.since, tally.stretch.seconds) == ((1, 2), 4.0)
