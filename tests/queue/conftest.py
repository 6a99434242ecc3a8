"""The tests' PostgreSQL schema goes when they end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from postgres_cases import SCHEMAS, drop


@pytest.fixture(scope="session", autouse=True)
def _no_schema_stays() -> Iterator[None]:
    yield
    while SCHEMAS:
        drop(SCHEMAS.pop())
