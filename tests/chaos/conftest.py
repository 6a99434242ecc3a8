"""Shows what chaos tests print, their tables above all, though they pass."""

from __future__ import annotations

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A section for each test that was marked chaos, or lives here, and printed something."""
    for report in terminalreporter.stats.get("passed", []):
        if "chaos" in report.keywords and report.capstdout:
            terminalreporter.section(report.nodeid)
            terminalreporter.write(report.capstdout)
