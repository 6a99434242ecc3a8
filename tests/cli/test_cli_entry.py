"""Every end of a command is one sentence and the exit code that was promised."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from farm import errors
from farm.cli import app, entry

HEAVY = ("torch", "ray", "fastapi", "sqlalchemy", "numpy", "PIL", "fsspec")


def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of ``farm fail`` for a command that raises ``error``."""
    broken = typer.Typer(invoke_without_command=True, pretty_exceptions_enable=False)

    @broken.callback()
    def _root() -> None: ...

    @broken.command()
    def fail() -> None:
        raise error

    monkeypatch.setattr(app, "app", broken)
    return entry.main(["fail"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.JobFailed("it broke."), 1),
        (errors.Unavailable("it broke."), 1),
        (errors.InvalidInput("it broke."), 2),
        (errors.Conflict("it broke."), 2),
        (errors.Unreachable("it broke."), 3),
        (errors.NotFound("it broke."), 4),
        (errors.Refused("it broke."), 5),
        (errors.Busy("it broke."), 5),
        (errors.Cancelled("it broke."), 130),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_one_sentence_and_its_code(
    error: BaseException,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert raising(error, monkeypatch) == code
    out, err = capsys.readouterr()
    assert (out, err) == ("", "farm: it broke.\n")


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(KeyboardInterrupt(), monkeypatch) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_the_unexpected_hints_at_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raising(ValueError("odd"), monkeypatch) == 1
    err = capsys.readouterr().err
    assert err == "farm: unexpected ValueError: odd; run it again with FARM_DEBUG=1 to see where.\n"


def test_farm_debug_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FARM_DEBUG", "1")
    assert raising(ValueError("odd"), monkeypatch) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_missing_package_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raising(ModuleNotFoundError("No module", name="torch.nn"), monkeypatch) == 2
    err = capsys.readouterr().err
    assert "needs the farm extra" in err
    assert "pip install 'style-farm[farm]'" in err


def test_a_missing_part_of_the_farm_is_not_blamed_on_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raising(ModuleNotFoundError("No module", name="farm.x"), monkeypatch) == 1
    assert "extra" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["styles"], "farm: a command is needed; see 'farm styles --help'."),
        (["sumbit"], "farm: no such command 'sumbit'"),
        (["jobs", "--limit", "many"], "invalid value for '--limit'"),
        (["jobs", "--state", "lost"], "'lost' is not one of"),
        (["show"], "missing argument 'JOB'; see 'farm show --help'."),
        (["show", "j", "--color"], "no such option"),
    ],
)
def test_wrong_usage_is_2_and_points_to_the_help(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.main(arguments) == 2
    err = capsys.readouterr().err
    assert expected in err.replace("No such", "no such")
    assert err.count("\n") == 1
    assert "--help'." in err


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main([]) == 0
    assert "submit" in capsys.readouterr().out


def test_every_promised_command_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    promised = (
        "preview render submit jobs show watch fetch pause resume cancel retry quote models styles "
        "up down status projects project nodes readmit backup restore doctor"
    )
    for name in promised.split():
        assert entry.main([name, "--help"]) == 0, name
    assert "Usage: farm doctor" in capsys.readouterr().out


def test_help_is_light() -> None:
    """Neither the help nor a message about a missing farm may load what only the farm needs."""
    script = (
        "import sys; from farm.cli import main; code = main(['--help']); "
        f"print(code, [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_a_closed_pipe_is_quiet() -> None:
    script = "import sys; from farm.cli import main; sys.exit(main(['--help']))"
    command = f'"{sys.executable}" -c "{script}" | true'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_a_setting_that_does_not_fit_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("FARM_PORT", "http")
    assert entry.main(["models", "list"]) == 2
    assert capsys.readouterr().err.startswith("farm: FARM_PORT: 'http' does not fit")
