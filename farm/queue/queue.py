"""The queue's whole surface, whatever keeps its rows."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from farm.queue.accounts import Accounts
from farm.queue.adding import Adding
from farm.queue.claiming import Claiming
from farm.queue.leases import Leases
from farm.queue.orders import Orders
from farm.queue.reading import Reading
from farm.queue.shares import Shares


class Queue(Reading, Adding, Orders, Claiming, Leases, Shares, Accounts):
    """Jobs and tasks with their events. Safe to use from several threads."""

    @abstractmethod
    def wait(self, version: int, timeout: float) -> int:
        """Wait until ``version()`` is another one, at most ``timeout`` seconds; returns it then.

        A hint that something has changed: what has, the events of a job say by their own numbers.
        """

    @abstractmethod
    def backup(self, path: Path) -> None:
        """Write a copy of the whole queue to a new file while it is used.

        Raises:
            InvalidInput: the file is there already, or this kind of queue is copied by other means.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the database."""
