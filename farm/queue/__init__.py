"""The durable facts: jobs, tasks, attempts and events, and who holds which lease."""

from farm.queue.memory import MemoryQueue
from farm.queue.queue import Queue
from farm.queue.records import AttemptRecord, Heartbeat
from farm.queue.sql import SqlQueue, open_queue

__all__ = ["AttemptRecord", "Heartbeat", "MemoryQueue", "Queue", "SqlQueue", "open_queue"]
