"""What must hold of a queue's database at any instant, whatever was done to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text

from farm.queue import SqlQueue

HELD = {
    "a task has two live leases": """
        SELECT task FROM attempts WHERE ended IS NULL GROUP BY task HAVING count(*) > 1""",
    "a live attempt is not its task's": """
        SELECT a.token FROM attempts a JOIN tasks t ON t.id = a.task
        WHERE a.ended IS NULL AND (t.token IS NULL OR t.token <> a.token OR t.state <> 'leased')""",
    "a leased task has no live attempt": """
        SELECT t.id FROM tasks t LEFT JOIN attempts a ON a.token = t.token AND a.ended IS NULL
        WHERE t.state = 'leased' AND (a.token IS NULL OR t.worker IS NULL
            OR t.lease_expires_at IS NULL)""",
    "a task that is not leased has a lease": """
        SELECT id FROM tasks WHERE state <> 'leased' AND (token IS NOT NULL OR worker IS NOT NULL
            OR lease_expires_at IS NOT NULL OR node IS NOT NULL)""",
    "an attempt's end is half told": """
        SELECT token FROM attempts WHERE (ended IS NULL) <> (outcome IS NULL)""",
    "attempts at a task are not numbered in the order of their tokens": """
        SELECT a.token FROM attempts a JOIN attempts b ON a.task = b.task
        WHERE a.attempt < b.attempt AND a.token >= b.token""",
    "a task's attempts are not counted": """
        SELECT t.id FROM tasks t LEFT JOIN attempts a ON a.task = t.id
        GROUP BY t.id, t.attempt HAVING count(a.token) <> t.attempt""",
    "a task was done twice": """
        SELECT task FROM attempts WHERE outcome = 'done' GROUP BY task HAVING count(*) > 1""",
    "a job's events have a gap": """
        SELECT j.id FROM jobs j LEFT JOIN events e ON e.job = j.id GROUP BY j.id, j.seq
        HAVING count(e.seq) <> j.seq OR min(e.seq) <> 1 OR max(e.seq) <> j.seq""",
    "a job's counts are not its tasks'": """
        SELECT j.id FROM jobs j LEFT JOIN (
            SELECT job, sum(CASE state WHEN 'waiting' THEN 1 ELSE 0 END) waiting,
                sum(CASE state WHEN 'ready' THEN 1 ELSE 0 END) ready,
                sum(CASE state WHEN 'leased' THEN 1 ELSE 0 END) leased,
                sum(CASE state WHEN 'done' THEN 1 ELSE 0 END) done,
                sum(CASE state WHEN 'failed' THEN 1 ELSE 0 END) failed,
                sum(CASE state WHEN 'cancelled' THEN 1 ELSE 0 END) cancelled,
                sum(CASE state WHEN 'quarantined' THEN 1 ELSE 0 END) quarantined,
                sum(CASE WHEN delayed THEN 1 ELSE 0 END) delayed
            FROM tasks GROUP BY job) t ON t.job = j.id
        WHERE t.job IS NULL OR t.waiting <> j.waiting OR t.ready <> j.ready OR t.leased <> j.leased
            OR t.done <> j.done OR t.failed <> j.failed OR t.cancelled <> j.cancelled
            OR t.quarantined <> j.quarantined OR t.delayed <> j.delayed""",
    "what can be claimed of a job is miscounted": """
        SELECT id FROM jobs WHERE rank <> 100 - priority OR claimable <> (
            CASE WHEN state IN ('queued', 'running') AND NOT cancel_requested AND NOT pause_requested
                AND unmet = 0 THEN ready - delayed ELSE 0 END)""",
    "a project's counts are not its jobs'": """
        SELECT p.name FROM projects p LEFT JOIN (
            SELECT project, sum(leased) leased, sum(CASE WHEN state IN ('queued', 'running')
                AND NOT cancel_requested AND NOT pause_requested AND unmet = 0
                THEN ready ELSE 0 END) ready
            FROM jobs GROUP BY project) j ON j.project = p.name
        WHERE p.running <> coalesce(j.leased, 0) OR p.ready <> coalesce(j.ready, 0)""",
    "a job's project is not there": """
        SELECT id FROM jobs WHERE project NOT IN (SELECT name FROM projects)""",
    "a project runs more than its limit": """
        SELECT name FROM projects WHERE max_running IS NOT NULL AND running > max_running""",
    "a job's state is not its tasks'": """
        SELECT id FROM jobs WHERE (state = 'running') <> (leased > 0)
            OR (state = 'done') <> (waiting + ready + leased + failed + cancelled + quarantined = 0)
            OR (state IN ('failed', 'cancelled') AND waiting + ready > 0)
            OR (cancel_requested AND state <> 'running')""",
    "a job's unmet prerequisites are miscounted": """
        SELECT j.id FROM jobs j LEFT JOIN job_needs n ON n.job = j.id
            LEFT JOIN jobs other ON other.id = n.needs AND other.state <> 'done'
        GROUP BY j.id, j.unmet HAVING count(other.id) <> j.unmet""",
    "a task's unmet prerequisites are miscounted": """
        SELECT t.id FROM tasks t LEFT JOIN task_needs n ON n.task = t.id
            LEFT JOIN tasks other ON other.id = n.needs AND other.state <> 'done'
        GROUP BY t.id, t.unmet HAVING count(other.id) <> t.unmet""",
    "a task is ready too early or waits for nothing": """
        SELECT t.id FROM tasks t JOIN jobs j ON j.id = t.job
        WHERE (t.state IN ('ready', 'leased', 'done') AND t.unmet + j.unmet > 0)
            OR (t.state = 'waiting' AND t.unmet + j.unmet = 0)
            OR (t.delayed AND t.state <> 'ready')""",
    "a row has lost its job or task": """
        SELECT id FROM tasks WHERE job NOT IN (SELECT id FROM jobs)
        UNION ALL SELECT task FROM attempts WHERE task NOT IN (SELECT id FROM tasks)
        UNION ALL SELECT job FROM events WHERE job NOT IN (SELECT id FROM jobs)
        UNION ALL SELECT job FROM job_labels WHERE job NOT IN (SELECT id FROM jobs)""",
    "a job's cost is not its attempts'": """
        SELECT c.job FROM job_costs c LEFT JOIN runs r ON r.job = c.job
        GROUP BY c.job, c.spent, c.seconds HAVING c.spent <> coalesce(sum(r.spent), 0)
            OR abs(c.seconds - coalesce(sum(r.booked), 0)) > 1e-6""",
    "a routed attempt's job has no cost": """
        SELECT token FROM runs WHERE job NOT IN (SELECT job FROM job_costs)""",
    "an ended attempt was not settled": """
        SELECT r.token FROM runs r JOIN attempts a ON a.token = r.token
        WHERE a.ended IS NOT NULL AND r.booked <> r.seconds""",
    "a project has promised other than its jobs hold": """
        SELECT p.name FROM projects p LEFT JOIN job_costs c ON c.project = p.name
        GROUP BY p.name, p.reserved HAVING p.reserved <> coalesce(sum(c.reserved), 0)""",
    "a project has spent other than its attempts": """
        SELECT p.name FROM projects p
        WHERE (SELECT coalesce(sum(spent), 0) FROM spending s WHERE s.project = p.name)
            <> (SELECT coalesce(sum(spent), 0) FROM runs r WHERE r.project = p.name)""",
    "an ended job holds some of its project's cap": """
        SELECT c.job FROM job_costs c JOIN jobs j ON j.id = c.job
        WHERE j.state IN ('done', 'failed', 'cancelled') AND (c.reserved <> 0 OR c.parked <> '')""",
    "a parked job goes on": """
        SELECT c.job FROM job_costs c JOIN jobs j ON j.id = c.job
        WHERE c.parked <> '' AND NOT (j.state = 'paused' OR j.pause_requested)""",
    "a done job has not been waited for to its end": """
        SELECT w.job FROM waits w JOIN jobs j ON j.id = w.job
        WHERE (w.final IS NOT NULL AND w.final < w.first) OR (j.state = 'done' AND w.final IS NULL)
        UNION ALL SELECT id FROM jobs WHERE state = 'done' AND id NOT IN (SELECT job FROM waits)""",
    "an ended job's last event does not say so": """
        SELECT j.id FROM jobs j JOIN events e ON e.job = j.id AND e.seq = j.seq
        WHERE j.state IN ('done', 'failed', 'cancelled') AND e.kind <> j.state""",
}
"""Queries that must find nothing, by what it would mean if they did."""


def findings(queue: SqlQueue) -> dict[str, list[Any]]:
    """What is wrong with a queue's rows, seen in one snapshot; empty if nothing is."""
    found: dict[str, list[Any]] = {}
    engine = queue._engine
    level: Mapping[str, Any] = (
        {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    )
    with engine.connect().execution_options(**level) as connection, connection.begin():
        for meaning, query in HELD.items():
            rows = connection.execute(text(query)).scalars().all()
            if rows:
                found[meaning] = list(rows)[:5]
    return found
