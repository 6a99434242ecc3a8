"""The durable facts: jobs, tasks, attempts and events, and who holds which lease."""

from farm.queue.books import Offer
from farm.queue.memory import MemoryQueue
from farm.queue.opening import open_queue
from farm.queue.queue import Queue
from farm.queue.records import AttemptRecord, Heartbeat, NodeRecord, ProjectRecord
from farm.queue.settling import MAX_LOSSES
from farm.queue.sql import SqlQueue
from farm.queue.sqlite import SqliteQueue

__all__ = [
    "MAX_LOSSES", "AttemptRecord", "Heartbeat", "MemoryQueue", "NodeRecord", "Offer", "ProjectRecord",
    "Queue", "SqlQueue", "SqliteQueue", "open_queue",
]  # fmt: skip
