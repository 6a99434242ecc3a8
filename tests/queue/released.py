"""A database as the first release left it, with rows in every state."""

from __future__ import annotations

import json
from pathlib import Path

from queue_cases import job_spec
from sqlalchemy import Connection, Engine, text

from farm.queue import migrations
from farm.queue.facts import canonical
from farm.queue.tables import schema_version

NOW = 1_800_000_000.0
JOBS = {
    "waits": ("queued", 90, "p"),
    "runs": ("running", 50, "p"),
    "pausing": ("running", 50, "q"),
    "paused": ("paused", 50, "q"),
    "done": ("done", 50, "q"),
    "failed": ("failed", 50, "q"),
}
TASKS = {
    "waits": ("ready", "ready"),
    "runs": ("leased", "ready"),
    "pausing": ("leased", "ready"),
    "paused": ("ready", "ready"),
    "done": ("done", "done"),
    "failed": ("failed", "cancelled"),
}
LOG = ("queued",)
LOGS = {"done": ("queued", "done"), "failed": ("queued", "failed")}
ADD_EVENT = text("INSERT INTO events (job, seq, at, kind, body) VALUES (:job, :seq, :at, :kind, :body)")
LABELS = {"shot": "sq010", "note": "x" * 5000}


def make(engine: Engine, version: int = 1) -> None:
    """Make the first release's tables and fill them; bring them to a later ``version``."""
    with engine.connect() as connection:
        connection.execution_options(write=True)
        with connection.begin():
            if engine.dialect.name == "sqlite":
                lines = (Path(__file__).parent / "released.sql").read_text().splitlines()
                for line in lines[1:]:
                    connection.execute(text(line))
            else:
                # It was not released for PostgreSQL; these are the tables it would have made there.
                migrations.upgrade(connection, None, 1)
                connection.execute(text("DROP TABLE alembic_version"))
            _fill(connection)
            if version > 1:
                migrations.upgrade(connection, 1, version)
            assert connection.execute(schema_version.select()).scalar_one() == version


def _fill(connection: Connection) -> None:
    for age, (job, (state, priority, project)) in enumerate(JOBS.items()):
        spec = json.loads(canonical(job_spec(priority=priority, project=project, labels=LABELS)))
        del spec["after"]
        connection.execute(
            text(
                "INSERT INTO jobs (id, spec, state, project, priority, created_at, updated_at, seq, "
                "cancel_requested, pause_requested, reason) "
                "VALUES (:id, :spec, :state, :project, :priority, :at, :at, :seq, false, :pausing, '')"
            ),
            {"id": job, "spec": json.dumps(spec), "state": state, "project": project,
             "priority": priority, "at": NOW + age, "seq": len(LOGS.get(job, LOG)),
             "pausing": job == "pausing"},
        )  # fmt: skip
        for seq, kind in enumerate(LOGS.get(job, LOG), 1):
            event = {"job": job, "seq": seq, "at": NOW, "kind": kind, "cause": "", "reason": ""}
            connection.execute(ADD_EVENT, {**event, "body": json.dumps(event)})
        for position, task_state in enumerate(TASKS[job]):
            _add_task(connection, job, position, task_state)
    connection.execute(text("UPDATE counters SET value = 2"))


def _add_task(connection: Connection, job: str, position: int, state: str) -> None:
    leased = state == "leased"
    token = {"runs": 1, "pausing": 2}[job] if leased else None
    row = {
        "id": f"{job}/t{position}", "job": job, "position": position, "state": state,
        "not_before": NOW + 60 if (job, position) == ("waits", 0) else 0.0,
        "attempt": int(leased), "worker": "old/1" if leased else None,
        "expiry": NOW + 30 if leased else None, "token": token,
    }  # fmt: skip
    connection.execute(
        text(
            "INSERT INTO tasks (id, job, position, state, attempt, failures, not_before, worker, "
            "lease_expires_at, token) "
            "VALUES (:id, :job, :position, :state, :attempt, 1, :not_before, :worker, :expiry, :token)"
        ),
        row,
    )
    if leased:
        connection.execute(
            text(
                "INSERT INTO attempts (token, job, task, attempt, worker, started, cause, reason) "
                "VALUES (:token, :job, :id, 1, 'old/1', 0, '', '')"
            ),
            row,
        )
