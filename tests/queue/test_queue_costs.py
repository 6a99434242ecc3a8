"""What is reserved, spent and summed up, with the events it belongs to, in every kind of queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from audit import findings
from queue_cases import KINDS, Case, job_spec, lose, offer, opened, routed, within_cap

from farm.errors import InvalidInput, NotFound, Refused, StaleLease
from farm.queue import SqlQueue
from farm.queue.money import date_of, day_of, first_day, micros
from farm.spec import JobState, Lease
from farm.spec.cost import Account, Pace
from farm.spec.event import Checkpointed, Done

DAY = 86_400.0
PACE = Pace(megapixel_iterations=4.0, seconds=2.0, rate=2.5, beside=1.5)


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    with opened(request.param, tmp_path) as case:
        yield case
        if isinstance(case.queue, SqlQueue):
            assert findings(case.queue) == {}


def add(case: Case, job_id: str = "j1", p90: float = 20.0, **changes: object) -> None:
    tasks = changes.pop("tasks", ("print",))
    case.queue.add(job_id, job_spec(**changes), tasks=tasks, offer=offer(p90))  # type: ignore[arg-type]


def begin(case: Case, **how: object) -> Lease:
    """A claimed task on a pool that costs a dollar a second."""
    lease = case.claim()
    case.queue.record(lease, routed(lease, **how))  # type: ignore[arg-type]
    return lease


def mark(lease: Lease) -> Checkpointed:
    return Checkpointed(task=lease.task, attempt=lease.attempt, blob="c" * 64, scale=1, iteration=1)


def held(case: Case, project: str = "default") -> tuple[float, float]:
    account = case.queue.account(project)
    return account.spent_usd, account.reserved_usd


# --- reserve and settle ---------------------------------------------------------------------------


def test_a_job_reserves_what_nine_of_ten_stay_under(case: Case) -> None:
    add(case, "a", p90=20.0)
    add(case, "b", p90=5.5)
    assert held(case) == (0.0, 25.5)
    cost = case.queue.cost("a")
    assert (cost.reserved_usd, cost.spent_usd, cost.feature) == (20.0, 0.0, "print")
    assert cost.quoted is not None
    assert cost.quoted.p50_usd == 10.0


def test_what_is_spent_comes_out_of_what_was_reserved_and_the_end_frees_the_rest(case: Case) -> None:
    add(case)
    lease = begin(case)
    case.clock.advance(8)
    case.queue.checkpoint(lease, mark(lease))
    assert held(case) == (8.0, 12.0)
    case.clock.advance(4)
    done = case.queue.complete(lease, Done(usd=99.0))
    assert done.usd == 12.0
    assert held(case) == (12.0, 0.0)
    assert case.queue.events("j1")[-1].usd == 12.0  # type: ignore[union-attr]
    assert case.task().result == {**done.model_dump(mode="json"), "job": "", "seq": 0, "at": 0.0}
    cost = case.queue.cost("j1")
    assert (cost.spent_usd, cost.seconds, cost.reserved_usd) == (12.0, 12.0, 0.0)


def test_a_job_that_spends_more_than_it_reserved_holds_nothing(case: Case) -> None:
    add(case, p90=5.0)
    lease = begin(case)
    case.clock.advance(8)
    case.queue.checkpoint(lease, mark(lease))
    assert held(case) == (8.0, 0.0)


ENDS: dict[str, Callable[[Case, Lease], object]] = {
    "retry": lambda case, lease: case.queue.retry(lease, "unknown", "odd"),
    "fail": lambda case, lease: case.queue.fail(lease, "invalid", "bad"),
    "quarantine": lambda case, lease: case.queue.quarantine(lease, "unknown", "odd"),
    "cancel at once": lambda case, lease: case.queue.cancel(lease.job, at_once=True),
    "lost": lambda case, lease: case.queue.retry(lease, "lost", "gone", counts=False, lost=True),
    "park": lambda case, lease: case.queue.park(lease, "the cap is reached", 1.0),
}


@pytest.mark.parametrize("how", sorted(ENDS))
def test_whatever_ends_an_attempt_settles_it(case: Case, how: str) -> None:
    add(case)
    lease = begin(case)
    case.clock.advance(3)
    ENDS[how](case, lease)
    final = case.state().final
    assert held(case) == (3.0, 0.0 if final else 17.0)
    with pytest.raises(StaleLease):
        case.queue.checkpoint(lease, mark(lease), PACE)
    assert held(case)[0] == 3.0


def test_two_attempts_cost_what_both_took(case: Case) -> None:
    add(case)
    lease = begin(case)
    case.clock.advance(3)
    case.queue.retry(lease, "preempted", "spot capacity was taken", counts=False)
    lease = begin(case, pool="on-demand", usd_hour=7200.0)
    case.clock.advance(2)
    assert case.queue.complete(lease, Done()).usd == 7.0
    first, second = case.queue.runs("j1")
    assert (first.pool, first.attempt, first.usd, first.seconds) == ("spot", 1, 3.0, 3.0)
    assert (second.pool, second.attempt, second.usd, second.seconds) == ("on-demand", 2, 4.0, 2.0)


def test_what_was_never_routed_has_no_price(case: Case) -> None:
    case.add(labels={"feature": "hero"})
    assert case.queue.cost("j1").feature == "hero"
    case.clock.advance(3)
    assert case.queue.complete(case.claim(), Done(usd=0.5)).usd == 0.5
    assert case.queue.cost("j1").quoted is None
    assert case.queue.runs("j1") == []
    with pytest.raises(NotFound):
        case.queue.cost("nobody")


def test_a_retried_job_reserves_nothing(case: Case) -> None:
    add(case)
    case.queue.fail(begin(case), "invalid", "bad")
    case.queue.retry_job("j1")
    assert held(case) == (0.0, 0.0)
    case.clock.advance(2)
    lease = begin(case)
    case.clock.advance(2)
    case.queue.complete(lease, Done())
    assert held(case) == (2.0, 0.0)


# --- the clock ------------------------------------------------------------------------------------


def test_time_is_charged_up_to_the_leases_end_at_most(case: Case) -> None:
    add(case)
    begin(case)
    case.clock.advance(1000)
    assert lose(case.queue)[0].state == "ready"
    assert held(case)[0] == 30.0


def test_a_clock_that_jumps_ahead_adds_no_more_than_a_lease(case: Case) -> None:
    add(case)
    lease = begin(case)
    case.clock.advance(5)
    case.queue.heartbeat(lease, 30)
    case.clock.advance(40 * DAY)
    case.queue.heartbeat(lease, 30)
    case.clock.advance(5)
    assert case.queue.complete(lease, Done()).usd == 40.0


def test_a_clock_that_jumps_back_loses_no_more_than_since_it_was_looked_at(case: Case) -> None:
    add(case)
    lease = begin(case)
    case.clock.advance(10)
    case.queue.heartbeat(lease, 30)
    case.clock.advance(-3600)
    case.queue.heartbeat(lease, 30)
    case.clock.advance(4)
    case.queue.checkpoint(lease, mark(lease))
    assert held(case)[0] == 14.0
    case.clock.advance(-DAY)
    assert case.queue.complete(lease, Done()).usd == 14.0
    assert case.queue.cost("j1").seconds == 14.0


def test_a_jump_back_over_the_end_of_a_period_forgets_nothing(case: Case) -> None:
    case.queue.set_cap("default", 100.0, "day")
    add(case, "a")
    lease = begin(case)
    case.clock.advance(6)
    case.queue.complete(lease, Done())
    case.clock.advance(-DAY)
    assert held(case) == (6.0, 0.0), "what was spent after now counts, too"
    case.clock.advance(2 * DAY)
    assert held(case) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("period", "first"), [("day", "2027-01-15"), ("week", "2027-01-11"), ("month", "2027-01-01")]
)
def test_periods_begin_with_days_of_utc(period: str, first: str) -> None:
    now = 1_800_000_000.0
    assert date_of(day_of(now)) == "2027-01-15"
    assert date_of(first_day(period, now)) == first  # type: ignore[arg-type]
    assert first_day("total", now) == 0


# --- caps -----------------------------------------------------------------------------------------


def test_a_cap_refuses_what_does_not_fit_and_nothing_is_left_of_it(case: Case) -> None:
    case.queue.set_cap("default", 25.0)
    add(case, "a", p90=20.0)
    version = case.queue.version()
    with pytest.raises(Refused, match=r"cap of 25\.0"):
        add(case, "b", p90=5.01)
    with pytest.raises(NotFound):
        case.queue.job("b")
    assert case.queue.version() == version
    add(case, "b", p90=5.0)
    add(case, "c", p90=500.0, project="another")


def test_the_same_job_again_reserves_nothing_more(case: Case) -> None:
    case.queue.set_cap("default", 20.0)
    add(case)
    add(case)
    assert held(case) == (0.0, 20.0)


def test_of_many_jobs_all_are_accepted_or_none(case: Case) -> None:
    case.queue.set_cap("default", 20.0)
    orders = [(name, job_spec(), ("print",)) for name in ("a", "b")]
    with pytest.raises(Refused):
        case.queue.add_many(orders, {"a": offer(12.0), "b": offer(12.0)})
    assert case.queue.jobs() == []
    assert held(case) == (0.0, 0.0)
    case.queue.add_many(orders, {"a": offer(8.0), "b": offer(12.0)})
    assert held(case) == (0.0, 20.0)


def test_a_cap_is_for_a_period(case: Case) -> None:
    for period, days in (("day", 1), ("week", 7), ("month", 31)):
        case.queue.set_cap(period, 10.0, period)  # type: ignore[arg-type]
        add(case, f"{period}-1", p90=9.0, project=period)
        lease = begin(case)
        case.clock.advance(9)
        case.queue.complete(lease, Done())
        with pytest.raises(Refused):
            add(case, f"{period}-2", p90=9.0, project=period)
        case.clock.advance(days * DAY)
        add(case, f"{period}-2", p90=9.0, project=period)
        case.queue.cancel(f"{period}-2")
    case.queue.set_cap("month", 10.0, "total")
    assert held(case, "month")[0] == 9.0


def test_accounts_are_listed_with_what_each_has_spent_in_its_period(case: Case) -> None:
    case.queue.set_cap("ads", 50.0, "day")
    add(case, "a", project="ads")
    add(case, "b", project="films")
    for _ in range(2):
        lease = begin(case)
        case.clock.advance(4)
        case.queue.checkpoint(lease, mark(lease))
    assert case.queue.accounts() == [
        Account(project="ads", cap_usd=50.0, period="day", spent_usd=4.0, reserved_usd=16.0),
        Account(project="films", spent_usd=4.0, reserved_usd=16.0),
    ]
    case.clock.advance(DAY)
    assert [each.spent_usd for each in case.queue.accounts()] == [0.0, 4.0]
    assert case.queue.account("nobody") == Account(project="nobody")


@pytest.mark.parametrize(("name", "cap"), [("p q", 1.0), ("p", -1.0), ("p", float("nan"))])
def test_a_cap_that_is_none_is_invalid(case: Case, name: str, cap: float) -> None:
    with pytest.raises(InvalidInput):
        case.queue.set_cap(name, cap)


def test_a_share_and_a_cap_leave_each_other_alone(case: Case) -> None:
    case.queue.set_cap("p", 5.0, "week")
    case.queue.set_project("p", weight=2.0, max_running=1)
    case.queue.set_cap("p", 6.0, "day")
    assert case.queue.account("p") == Account(project="p", cap_usd=6.0, period="day")
    (project,) = case.queue.projects()
    assert (project.weight, project.max_running) == (2.0, 1)


def test_a_parked_job_waits_with_its_checkpoint_until_its_project_can_bear_it(case: Case) -> None:
    case.queue.set_cap("default", 10.0)
    add(case, p90=10.0)
    lease = begin(case)
    case.clock.advance(11)
    case.queue.checkpoint(lease, mark(lease))
    case.queue.park(lease, "project default has spent its 10 USD", 4.0)
    job = case.queue.job("j1")
    assert (job.state, job.reason) == (JobState.PAUSED, "project default has spent its 10 USD")
    assert case.queue.events("j1")[-1].kind == "paused"
    assert case.task().checkpoint == "c" * 64
    assert case.queue.cost("j1").parked == job.reason
    assert case.queue.attempts("j1")[0].outcome == "paused"
    assert case.queue.claim("w", 30) is None
    assert case.queue.unpark(within_cap) == []
    case.queue.set_cap("default", 15.0)
    assert case.queue.unpark(within_cap) == ["j1"]
    assert case.queue.unpark(within_cap) == []
    assert held(case) == (11.0, 4.0)
    job = case.queue.job("j1")
    assert (job.state, job.reason, case.queue.cost("j1").parked) == (JobState.QUEUED, "", "")
    assert case.claim().checkpoint == "c" * 64


def fits(account: Account, more: float) -> bool:
    """The rule that tests go by, as an answer."""
    try:
        within_cap(account, more)
    except Refused:
        return False
    return True


def test_a_job_that_runs_may_hold_more_as_far_as_its_project_can_bear_it(case: Case) -> None:
    case.queue.set_cap("default", 10.0)
    add(case, p90=2.0)
    lease = begin(case)
    case.clock.advance(3)
    case.queue.checkpoint(lease, mark(lease))
    assert case.queue.hold(lease, 1.5, fits)
    assert held(case) == (3.0, 1.5)
    assert case.queue.hold(lease, 1.0, fits), "what it holds already is enough"
    assert held(case) == (3.0, 1.5)
    assert not case.queue.hold(lease, 7.5, fits)
    assert held(case) == (3.0, 1.5)
    case.queue.set_cap("default", None)
    assert case.queue.hold(lease, 500.0, fits)
    assert held(case) == (3.0, 1.5), "without a cap nothing need be held"
    case.queue.set_cap("default", 10.0)
    case.queue.retry(lease, "lost", "gone")
    with pytest.raises(StaleLease):
        case.queue.hold(lease, 1.0, fits)


def test_parking_reaches_the_other_workers_of_a_job(case: Case) -> None:
    add(case, tasks=("a", "b", "c"))
    first, second = begin(case), begin(case)
    case.queue.park(first, "spent", 1.0)
    assert case.state() is JobState.RUNNING
    assert case.queue.heartbeat(second, 30).pause_requested
    case.queue.stopped(second)
    assert (case.state(), case.queue.job("j1").reason) == (JobState.PAUSED, "spent")
    assert case.queue.unpark(within_cap) == ["j1"]


@pytest.mark.parametrize("state", ["running", "paused"])
def test_who_resumes_a_parked_job_takes_it_up_without_a_reservation(case: Case, state: str) -> None:
    add(case, p90=2.0, tasks=("a", "b"))
    first, second = begin(case), begin(case)
    case.clock.advance(2)
    case.queue.park(first, "spent", 5.0)
    if state == "paused":
        case.queue.stopped(second)
    job = case.queue.resume("j1")
    assert (job.reason, job.pause_requested) == ("", False)
    assert case.queue.cost("j1").parked == ""
    assert case.queue.unpark(within_cap) == []
    assert held(case)[1] == 0.0


def test_a_job_that_somebody_pauses_is_not_taken_up_again(case: Case) -> None:
    add(case)
    lease = begin(case)
    case.queue.pause("j1")
    case.queue.park(lease, "spent", 1.0)
    assert case.state() is JobState.PAUSED
    assert case.queue.unpark(within_cap) == []


def test_a_parked_job_can_be_cancelled(case: Case) -> None:
    add(case)
    case.queue.park(begin(case), "spent", 1.0)
    case.queue.cancel("j1", "no more")
    assert case.queue.unpark(within_cap) == []
    assert held(case) == (0.0, 0.0)
    assert case.queue.cost("j1").parked == ""


# --- sums and observations ------------------------------------------------------------------------


@pytest.fixture
def spent(case: Case) -> Case:
    """Two days of two projects on two pools, one job of which is tried twice and one fails."""
    add(case, "a", project="ads", labels={"shot": "sq1", "feature": "hero"})
    lease = begin(case)
    case.clock.advance(3)
    case.queue.retry(lease, "preempted", "taken", counts=False)
    lease = begin(case, pool="big", devices=2)
    case.clock.advance(9)
    case.queue.complete(lease, Done())
    case.clock.advance(DAY)
    add(case, "b", project="films", p90=3.0, labels={"shot": "sq1"})
    lease = begin(case)
    case.clock.advance(4)
    case.queue.complete(lease, Done())
    add(case, "c", project="films", labels={"shot": "sq2"})
    lease = begin(case)
    case.clock.advance(1)
    case.queue.fail(lease, "invalid", "bad")
    return case


def test_costs_are_summed_up_by_project(spent: Case) -> None:
    ads, films = spent.queue.costs("project")
    assert (ads.key, ads.jobs, ads.attempts, ads.usd) == ("ads", 1, 2, 12.0)
    assert ads.hours == pytest.approx((3 + 2 * 9) / 3600)
    assert (ads.done, ads.quoted_usd, ads.actual_usd, ads.covered) == (1, 10.0, 12.0, 1)
    assert (films.key, films.jobs, films.attempts, films.usd) == ("films", 2, 2, 5.0)
    assert (films.done, films.quoted_usd, films.actual_usd, films.covered) == (1, 1.5, 4.0, 0)


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("feature", {"hero": 12.0, "print": 5.0}),
        ("pool", {"big": 9.0, "spot": 8.0}),
        ("day", {"2027-01-15": 12.0, "2027-01-16": 5.0}),
    ],
)
def test_every_sum_is_of_all_that_was_spent(spent: Case, by: str, expected: dict[str, float]) -> None:
    found = spent.queue.costs(by)  # type: ignore[arg-type]
    assert {each.key: each.usd for each in found} == expected
    assert [each.key for each in found] == list(expected)
    assert sum(each.done for each in found) == 2, "a job's end counts where its last attempt does"


def test_sums_may_leave_out_days_projects_and_tags(spent: Case) -> None:
    queue, now = spent.queue, spent.clock.now()
    assert sum(each.usd for each in queue.costs("pool", first=now)) == 5.0
    assert sum(each.usd for each in queue.costs("pool", last=now - DAY)) == 12.0
    assert [each.key for each in queue.costs("day", project="ads")] == ["2027-01-15"]
    tagged = queue.costs("project", tag=("shot", "sq1"))
    assert {each.key: each.usd for each in tagged} == {"ads": 12.0, "films": 4.0}
    assert queue.costs("project", tag=("shot", "sq9")) == []


def test_preemptions_and_hours_are_counted_by_pool_and_day(spent: Case) -> None:
    now = spent.clock.now()
    seen = spent.queue.exposures(0.0)
    assert [(each.pool, each.day, each.preemptions) for each in seen] == [
        ("big", day_of(now) - 1, 0), ("spot", day_of(now) - 1, 1), ("spot", day_of(now), 0),
    ]  # fmt: skip
    assert [each.hours for each in seen] == pytest.approx([9 / 3600, 3 / 3600, 5 / 3600])
    assert [each.pool for each in spent.queue.exposures(now)] == ["spot"]


def test_paces_are_kept_with_checkpoints_and_results(case: Case) -> None:
    add(case)
    lease = begin(case)
    case.clock.advance(3)
    case.queue.checkpoint(lease, mark(lease), PACE)
    case.queue.retry(lease, "preempted", "taken", counts=False)
    lease, newest = begin(case), PACE.model_copy(update={"rate": 2.0, "beside": None})
    began = case.clock.now()
    case.queue.complete(lease, Done(), newest)
    assert case.queue.paces("spot", "farm-texture") == [(began, newest), (began - 3, PACE)]
    assert case.queue.paces("spot", "farm-texture", limit=1) == [(began, newest)]
    assert case.queue.paces("spot", "vgg19") == case.queue.paces("big", "farm-texture") == []
    assert [run.pace for run in case.queue.runs("j1")] == [PACE, newest]


def test_amounts_are_kept_to_a_millionth(case: Case) -> None:
    add(case, p90=0.000_000_4)
    lease = begin(case, usd_hour=0.08)
    case.clock.advance(1)
    assert case.queue.complete(lease, Done()).usd == micros(0.08 / 3600) / 1e6 == 0.000_022


def test_many_small_charges_add_up_exactly(case: Case) -> None:
    add(case, p90=1.0)
    lease = begin(case, usd_hour=0.1)
    for _ in range(36):
        case.clock.advance(10)
        case.queue.checkpoint(lease, mark(lease))
        lease = case.queue.heartbeat(lease, 30).lease
    assert case.queue.complete(lease, Done()).usd == 0.01
