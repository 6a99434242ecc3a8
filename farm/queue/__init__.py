"""The durable facts: jobs, tasks, attempts and events, and who holds which lease."""

from farm.queue.memory import MemoryQueue
from farm.queue.queue import Queue
from farm.queue.records import AttemptRecord, Heartbeat, NodeRecord, ProjectRecord
from farm.queue.settling import MAX_LOSSES
from farm.queue.sql import SqliteQueue, SqlQueue, open_queue

__all__ = [
    "MAX_LOSSES", "AttemptRecord", "Heartbeat", "MemoryQueue", "NodeRecord", "ProjectRecord", "Queue",
    "SqlQueue", "SqliteQueue", "open_queue",
]  # fmt: skip
