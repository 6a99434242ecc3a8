"""Workers and dispatchers that die, fall silent or come back late: kill, confirm, only then go on."""

from __future__ import annotations

import pytest
from dispatch_cases import Bench, Here, midway, once, raises

from farm.dispatch.notice import Notice
from farm.dispatch.retry import WorkerLost
from farm.errors import Unavailable, Unstable
from farm.spec import Event, JobState, Lease
from farm.spec.event import Artefact, Checkpointed, Started

GONE = WorkerLost("gone.")


def leased(bench: Bench, worker: str) -> Lease:
    """A task that a worker of that name has begun."""
    bench.submit()
    lease = bench.queue.claim(worker, bench.settings.lease_seconds)
    assert lease is not None
    bench.queue.record(lease, Started(task=lease.task, attempt=1, worker="", node="n1"))
    return lease


def outlive(bench: Bench) -> None:
    bench.clock.advance(bench.settings.lease_seconds + 1)


def test_what_a_dead_dispatcher_held_comes_back_at_once(any_bench: Bench) -> None:
    bench = any_bench
    lease = leased(bench, "dispatcher/old/1")
    bench.dead.add("dispatcher/old")
    successor = bench.dispatcher("new")
    assert successor.recover() == 1
    assert bench.buried == [(lease.task, 1)]
    bench.finish(successor)
    assert [event.cause for event in bench.events("retrying")] == ["restart"]
    assert bench.queue.tasks("j1")[0].losses == 0
    assert bench.state() is JobState.DONE


def test_a_task_that_takes_its_dispatcher_along_before_it_starts_is_counted(bench: Bench) -> None:
    bench.submit()
    bench.queue.claim("dispatcher/old/1", 30.0)
    bench.dead.add("dispatcher/old")
    assert bench.dispatcher("new").recover() == 1
    assert bench.queue.tasks("j1")[0].losses == 1


def test_what_a_living_dispatcher_holds_is_left_alone(bench: Bench) -> None:
    leased(bench, "dispatcher/other/1")
    second = bench.dispatcher("second")
    assert second.recover() == 0
    assert not second.tick()
    assert bench.buried == []


def test_a_lease_that_ran_out_is_buried_and_counted(any_bench: Bench) -> None:
    bench = any_bench
    lease = leased(bench, "dispatcher/other/1")
    outlive(bench)
    bench.dispatcher().recover()
    assert bench.buried == [(lease.task, 1)]
    assert [event.cause for event in bench.events("retrying")] == ["lost"]
    assert bench.queue.tasks("j1")[0].losses == 1


def test_what_cannot_be_confirmed_waits_for_the_grace(bench: Bench) -> None:
    leased(bench, "dispatcher/other/1")
    bench.reachable = False
    outlive(bench)
    dispatcher = bench.dispatcher()
    assert dispatcher.recover() == 0
    bench.clock.advance(bench.settings.lease_grace_seconds)
    assert dispatcher.recover() == 1


def test_a_lost_worker_that_cannot_be_confirmed_gone_keeps_its_lease(bench: Bench) -> None:
    dispatcher = bench.dispatcher()
    bench.meddle = once(raises(GONE), midway)
    bench.submit()
    bench.reachable = False
    dispatcher.tick()
    assert dispatcher.busy == 0
    assert bench.events("retrying") == []
    assert [lease.task for lease in bench.queue.held()] == ["j1/print"]
    bench.reachable = True
    bench.finish(dispatcher)
    assert [event.cause for event in bench.events("retrying")] == ["lost"]
    assert bench.state() is JobState.DONE


def test_the_third_lost_worker_ends_the_job_with_the_evidence_kept(any_bench: Bench) -> None:
    bench = any_bench

    def lose(_run: Here, event: Event) -> None:
        if isinstance(event, Checkpointed):
            raise GONE

    bench.meddle = lose
    spec = bench.submit()
    bench.finish()
    assert len(bench.events("retrying")) == 2
    assert bench.state() is JobState.FAILED
    (verdict,) = bench.events("quarantined")
    assert (verdict.cause, verdict.reason) == ("lost", "gone (given up after 3 lost workers)")
    kept = {each.name: each for each in verdict.evidence}
    assert set(kept) == {"content", "style-1", "attempt-3.log"}
    assert kept["content"].blob == spec.content.removeprefix("sha256:")
    assert _read(bench, kept["attempt-3.log"]) == b"the log of attempt 3"


def test_an_unknown_error_is_set_aside_with_the_last_picture(any_bench: Bench) -> None:
    bench = any_bench
    bench.meddle = lambda run, event: raises(ValueError("a bug"))(run) if midway(event) else None
    bench.submit()
    bench.finish()
    assert [event.delay for event in bench.events("retrying")] == [2.0, 10.0]
    (verdict,) = bench.events("quarantined")
    assert verdict.reason == "ValueError: a bug (given up after 3 attempts)"
    names = [each.name for each in verdict.evidence]
    assert names[-1] in ("scale-01-32x26.png", "checkpoint.json")
    assert all(_read(bench, each) for each in verdict.evidence)
    assert bench.events("failed")[0].cause == "quarantined"


def test_a_run_that_blows_up_is_tried_once_more_in_float32(bench: Bench) -> None:
    bench.meddle = once(raises(Unstable("engine: it blew up.")), midway)
    bench.submit(engine={"precision": "auto"})
    bench.finish()
    assert [each.precision for each in bench.conditions] == [None, "float32"]
    assert bench.runs[1].lease.spec.engine.precision == "float32"
    assert bench.state() is JobState.DONE


def test_memory_that_ran_out_is_planned_with_by_half(bench: Bench) -> None:
    bench.meddle = once(raises(MemoryError("no")), midway)
    bench.submit(engine={"tile": 32, "precision": "float32"})
    bench.finish()
    assert [each.shrink for each in bench.conditions] == [0, 1]
    assert [run.lease.spec.engine.tile for run in bench.runs] == [32, "auto"]
    assert bench.state() is JobState.DONE


def test_an_accepted_job_waits_for_pools_that_have_gone(bench: Bench) -> None:
    there = bench.pools
    bench.pools = tuple
    bench.submit()
    dispatcher = bench.dispatcher()
    dispatcher.tick()
    (waiting,) = bench.events("retrying")
    assert waiting.cause == "unavailable"
    assert waiting.reason.startswith("routing: there is no pool to run 64×")
    assert waiting.reason.endswith("; the task waits.")
    bench.pools = there
    bench.finish(dispatcher)
    assert bench.state() is JobState.DONE
    assert bench.queue.tasks("j1")[0].failures == 0


def three_pools(bench: Bench) -> None:
    """The cheapest first: a, b, c."""
    (pool,) = bench.pools()
    bench.pools = lambda: tuple(
        pool.model_copy(
            update={
                "name": name,
                "accelerator": pool.accelerator.model_copy(update={"usd_per_hour": price}),
            }
        )
        for name, price in (("a", 1.0), ("b", 2.0), ("c", 3.0))
    )


def test_memory_that_runs_out_again_calls_for_another_pool(bench: Bench) -> None:
    three_pools(bench)

    def starve(run: Here, event: Event) -> None:
        if midway(event) and run.lease.attempt < 3:
            raise MemoryError("no")

    bench.meddle = starve
    bench.submit()
    bench.finish()
    routed = [event.decision for event in bench.events("routed")]
    assert [decision.chosen.pool for decision in routed] == ["a", "a", "b"]
    assert routed[-1].reason == "memory ran out before, so b is next."
    assert {option.pool for option in routed[-1].alternatives} == {"a", "c"}
    assert bench.done().pool == "b"


def test_a_gang_goes_where_a_machine_holds_it(bench: Bench) -> None:
    three_pools(bench)
    bench.together_in = {"a": 1, "b": 2, "c": 4}

    def vanish(_run: Here) -> None:
        bench.together_in = {"a": 0, "b": 1, "c": 0}
        raise GONE

    bench.meddle = once(vanish, midway)
    bench.submit(engine={"devices": 3})
    bench.finish()
    reasons = [event.decision.reason for event in bench.events("routed")]
    assert reasons == [
        "no machine of a can take it, so c is next.",
        "no machine of a can take it, so b is next.",
    ], "once begun, a gang makes do with fewer"


def test_beats_tell_the_processes_how_long_the_lease_holds(bench: Bench) -> None:
    dispatcher = bench.dispatcher()
    bench.meddle = once(lambda run: dispatcher.beat(), midway)
    bench.submit()
    bench.finish(dispatcher)
    assert bench.runs[0].kept == [bench.settings.lease_seconds] * 2


def test_a_cancel_is_heard_before_the_next_beat(bench: Bench) -> None:
    dispatcher = bench.dispatcher()

    def cancel(run: Here) -> None:
        bench.queue.cancel("j1")
        dispatcher.listen()
        assert run.wish == "cancel"

    bench.meddle = once(cancel, midway)
    bench.submit()
    bench.finish(dispatcher)
    assert bench.state() is JobState.CANCELLED


@pytest.mark.parametrize(("seconds", "attempts"), [(20, 1), (40, 2)])
def test_a_queue_that_is_away_for_less_than_a_lease_ends_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, seconds: int, attempts: int
) -> None:
    record = bench.queue.record
    away: list[float] = []

    def recorded(lease: Lease, *events: Event) -> list[Event]:
        if midway(events[0]) and not away:
            away.append(bench.clock.now() + seconds)
        if away and bench.clock.now() < away[0]:
            raise Unavailable("database: locked; try again.")
        return record(lease, *events)

    monkeypatch.setattr(bench.queue, "record", recorded)
    bench.submit()
    bench.finish()
    assert bench.state() is JobState.DONE
    assert len(bench.runs) == attempts


@pytest.mark.parametrize("how", ["vacated", "drained"])
def test_a_print_that_has_to_move_keeps_what_it_has(bench: Bench, how: str) -> None:
    dispatcher = bench.dispatcher()

    def leave(_run: Here) -> None:
        if how == "drained":
            dispatcher.drain("the farm goes down")
        else:
            dispatcher.vacate({"n1": Notice("test", "spot notice", bench.clock.now() + 120)})

    bench.meddle = once(leave, midway)
    bench.submit()
    bench.nodes = {"n1", "n2"}
    dispatcher.tick()
    assert bench.kinds()[-2:] == ["checkpointed", "retrying"]
    (retrying,) = bench.events("retrying")
    expected = {"drained": ("moved", "the farm goes down"), "vacated": ("preempted", "spot notice")}[
        how
    ]
    assert (retrying.cause, retrying.reason) == expected
    task = bench.queue.tasks("j1")[0]
    assert (task.failures, task.losses) == (0, 0)
    assert dispatcher.tick() == (how == "vacated"), "who drains claims nothing more"
    if how == "vacated":
        assert bench.conditions[-1].avoid == {"n1"}
        assert bench.state() is JobState.DONE


def test_a_checkpoint_that_does_not_fit_the_notice_is_not_begun(bench: Bench) -> None:
    dispatcher = bench.dispatcher(checkpoint_seconds=lambda pool: 1e9)
    soon = Notice("test", "spot notice", bench.clock.now() + 30)

    def leave(run: Here) -> None:
        dispatcher.vacate({"n1": soon})
        assert run.killed
        assert run.wish is None
        raise GONE

    bench.meddle = once(leave, midway)
    bench.submit()
    dispatcher.tick()
    (retrying,) = bench.events("retrying")
    assert (retrying.cause, retrying.reason) == ("preempted", "spot notice; gone.")
    assert bench.queue.tasks("j1")[0].losses == 0


def test_a_checkpoint_begun_in_time_is_not_cut_off(bench: Bench) -> None:
    dispatcher = bench.dispatcher(checkpoint_seconds=lambda pool: 1000.0)

    def leave(run: Here) -> None:
        for left in (120, 1):
            dispatcher.vacate({"n1": Notice("test", "spot", bench.clock.now() + left)})
        assert run.wish == "move"
        assert not run.killed

    bench.meddle = once(leave, midway)
    bench.submit()
    dispatcher.tick()
    assert bench.kinds()[-2:] == ["checkpointed", "retrying"]


def test_a_cancel_is_stronger_than_a_move(bench: Bench) -> None:
    dispatcher = bench.dispatcher()

    def both(run: Here) -> None:
        bench.queue.cancel("j1")
        dispatcher.listen()
        dispatcher.drain("the farm goes down")
        assert run.wish == "cancel"

    bench.meddle = once(both, midway)
    bench.submit()
    dispatcher.tick()
    assert bench.state() is JobState.CANCELLED


def test_nothing_is_claimed_while_every_node_is_out(bench: Bench) -> None:
    _fail_three(bench)
    dispatcher = bench.dispatcher()
    bench.meddle = lambda run, event: None
    bench.submit("j9")
    assert not dispatcher.tick()
    assert dispatcher.note.startswith("every node is out")
    bench.nodes = {"n1", "n2"}
    assert dispatcher.tick()
    assert dispatcher.note == ""
    assert bench.conditions[-1].avoid == {"n1"}


def _fail_three(bench: Bench) -> None:
    def fail(run: Here, event: Event) -> None:
        if midway(event):
            raise ValueError("a bug")

    bench.meddle = fail
    for number in range(3):
        bench.submit(f"bad{number}")
    bench.finish()
    assert [node.out for node in bench.queue.nodes()] == [True]


def _read(bench: Bench, kept: Artefact) -> bytes:
    data = bench.store.get(kept.blob)
    assert len(data) == kept.bytes
    return data
