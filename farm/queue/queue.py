"""The queue's whole surface, whatever keeps its rows."""

from __future__ import annotations

from abc import abstractmethod

from farm.queue.leases import Leases
from farm.queue.orders import Orders
from farm.queue.reading import Reading
from farm.queue.recovery import Recovery


class Queue(Reading, Orders, Leases, Recovery):
    """Jobs and tasks with their events. Safe to use from several threads."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the database."""
