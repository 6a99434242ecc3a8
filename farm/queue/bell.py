"""Telling processes on one PostgreSQL that something has changed: a hint, never the facts."""

from __future__ import annotations

import threading
from contextlib import suppress

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

PAUSE = 0.02
"""Seconds between two notifications of one process: commits in between share the second one."""

RECONNECT = 1.0
"""Seconds before a lost listener tries again."""


class Bell:
    """Rings other processes' bells, and hears theirs. Notifications that are lost do no harm.

    They are sent after the commit and not with it: a NOTIFY inside a transaction makes all commits of
    the database wait for each other. Its threads begin with the first ring and the first wait.
    """

    def __init__(self, engine: Engine, channel: str) -> None:
        self._engine = engine
        self._channel = channel
        self._news = threading.Condition()
        self._heard = 0
        self._rung = threading.Event()
        self._closed = threading.Event()
        self._listening = threading.Event()
        self._threads: dict[str, threading.Thread] = {}

    def ring(self) -> None:
        """Let those who wait here and elsewhere know."""
        self._wake()
        self._rung.set()
        self._start("ring", self._send)

    def heard(self) -> int:
        """How often it rang; to be asked before looking at what may have changed."""
        if "listen" not in self._threads:
            self._start("listen", self._listen)
            # What is committed before the listening begins is seen by the look that follows.
            self._listening.wait(RECONNECT)
        with self._news:
            return self._heard

    def wait(self, heard: int, seconds: float) -> bool:
        """Wait until it rings after it was ``heard`` so often; False once it was closed."""
        with self._news:
            self._news.wait_for(lambda: self._heard != heard or self._closed.is_set(), seconds)
        return not self._closed.is_set()

    def close(self) -> None:
        """End its threads; what was rung is sent before."""
        self._closed.set()
        self._rung.set()
        self._wake()
        for thread in self._threads.values():
            thread.join(timeout=5)

    def _start(self, name: str, work: object) -> None:
        with self._news:
            if name in self._threads or self._closed.is_set():
                return
            assert callable(work)
            thread = threading.Thread(target=work, name=f"farm-bell-{name}", daemon=True)
            self._threads[name] = thread
            thread.start()

    def _wake(self) -> None:
        with self._news:
            self._heard += 1
            self._news.notify_all()

    def _send(self) -> None:
        while not self._closed.is_set():
            self._rung.wait()
            self._rung.clear()
            # A server that is away hears nothing; its readers look for themselves in time.
            with suppress(SQLAlchemyError), self._engine.connect() as connection:
                connection.exec_driver_sql("SELECT pg_notify(%s, '')", (self._channel,))
                connection.commit()
            self._closed.wait(PAUSE)

    def _listen(self) -> None:
        while not self._closed.is_set():
            with suppress(SQLAlchemyError, psycopg.Error):
                self._hear()
            self._listening.set()
            self._closed.wait(RECONNECT)

    def _hear(self) -> None:
        pooled = self._engine.raw_connection()
        connection = pooled.driver_connection
        pooled.detach()
        assert isinstance(connection, psycopg.Connection)
        try:
            connection.rollback()
            connection.autocommit = True
            connection.execute(f'LISTEN "{self._channel}"')
            self._listening.set()
            self._wake()
            while not self._closed.is_set():
                for _ in connection.notifies(timeout=RECONNECT / 4, stop_after=1):
                    self._wake()
        finally:
            connection.close()
