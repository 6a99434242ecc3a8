"""A print in a process of its own, which somebody kills: prints the name of every checkpoint.

Usage: killed_render.py MODELS STORE CONTENT STYLE SIZE [CHECKPOINT]
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from farm.catalog import Catalogue
from farm.dispatch.render import render
from farm.dispatch.workplace import Order, Workplace
from farm.engine.pyramid import PRESETS, Preset
from farm.spec import parse_job
from farm.spec.event import Checkpointed, Done
from farm.store import BlobStore


def main(models: str, store: str, content: str, style: str, size: str, *checkpoint: str) -> None:
    torch.set_num_threads(1)
    PRESETS["draft"] = Preset(start=32, first=8, decay=0.3, least=5)
    job = parse_job(
        {
            "farm": 1, "kind": "print", "content": content,
            "styles": [{"image": style, "rights": {"licence": "own", "source": "these tests"}}],
            "output": {"long_edge": int(size)}, "quality": {"preset": "draft"},
            "engine": {"precision": "float32"},
        }
    )  # fmt: skip
    place = Workplace(BlobStore(store), Catalogue(Path(models)), load=Path, checkpoint_seconds=0.0)
    order = Order(job, "t1", 1, "a process", checkpoint[0] if checkpoint else None)
    for event in render(order, place):
        if isinstance(event, Checkpointed):
            print("checkpoint", event.blob, flush=True)  # noqa: T201  # the parent reads it
        if isinstance(event, Done):
            print("done", event.artefacts[0].blob, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
