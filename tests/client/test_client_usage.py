from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from farm.gateway import create_app
from farm.gateway.testing import blank_png, in_memory, listening

JOB = """\
farm: 1
kind: print
content: cat.png
styles: [{name: wave}]
output: {long_edge: 96}
"""
USAGE = """
from farm import Client
client = Client()
client.preview("cat.png", "wave").save("preview.png")
job = client.submit("job.yaml", key="cat")
for event in job.events():
    print(event.seq, event.kind)
    if event.kind == "rendition": job.cancel()
"""


def test_five_lines_are_enough(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(blank_png(60, 40))
    (tmp_path / "job.yaml").write_text(JOB)
    with listening(create_app(in_memory(tmp_path / "store"))) as url:
        done = subprocess.run(
            [sys.executable, "-c", USAGE],
            cwd=tmp_path,
            env={"FARM_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.stdout, done.stderr) == ("1 queued\n2 rendition\n3 cancelled\n", "")
    assert (tmp_path / "preview.png").read_bytes() == blank_png(60, 40)
