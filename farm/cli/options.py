"""Arguments, options and panels of the help that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MAKE = "Make pictures"
FOLLOW = "Follow orders"
CATALOGUE = "Models and styles"
OPERATE = "Run a farm"

JobFile = Annotated[Path, typer.Argument(metavar="JOBFILE", help="YAML or JSON; see jobs/.")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id or its beginning.")]
Json = Annotated[bool, typer.Option("--json", help="Write JSON instead of text.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change one value, e.g. output.dpi=150."),
]
