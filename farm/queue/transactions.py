"""What the parts of a queue share: a clock, and transactions that a database gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from farm.clock import Clock
from farm.queue.killpoints import reach
from farm.queue.ledger import Ledger
from farm.queue.rows import Rows


class Transactions(ABC):
    """Opens transactions; all that is written in one of them is kept, or none of it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @abstractmethod
    def _transaction(self, *, write: bool) -> AbstractContextManager[Rows]:
        """Rows that are kept at the end of the block unless it raises."""

    @contextmanager
    def _reading(self) -> Iterator[Ledger]:
        with self._transaction(write=False) as rows:
            yield Ledger(rows, self._clock.now())

    @contextmanager
    def _writing(self, name: str) -> Iterator[Ledger]:
        with self._transaction(write=True) as rows:
            # The time is taken inside: waiting for another writer must not shorten a lease.
            ledger = Ledger(rows, self._clock.now())
            yield ledger
            ledger.flush()
            reach(f"{name}.before_commit")
        reach(f"{name}.after_commit")
