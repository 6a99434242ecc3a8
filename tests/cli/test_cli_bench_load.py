"""Load on previews: what is counted, on replies that are given and on a farm that answers at once."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from farm.cli import bench_load
from farm.cli.bench_load import Reply, Sizes, opened, overload, recovery, renamed
from farm.cli.bench_preview import jpeg
from farm.client import Client
from farm.imaging import decode


def test_replies_are_counted_by_what_became_of_them() -> None:
    storm = [
        Reply(0.0, 0.2, "full"), Reply(0.1, 0.9, "smaller"), Reply(0.2, 1.5, "light"),
        Reply(0.3, 0.01, "busy"), Reply(0.4, 0.01, "error"),
    ]  # fmt: skip
    calm = [Reply(5.0, 0.1, "smaller"), Reply(5.5, 0.1, "busy"), Reply(6.0, 0.1, "full")]
    shown, answered, degraded, errors, back = (one.value for one in overload(storm, calm))
    assert (shown, answered, degraded, errors) == (40.0, 60.0, 40.0, 1)
    assert back == pytest.approx(0.5)
    assert recovery(calm[2:]) == 0


def test_people_come_whether_or_not_others_are_answered() -> None:
    async def run() -> list[Reply]:
        gate = asyncio.Event()
        asked = 0

        async def ask() -> str:
            nonlocal asked
            asked += 1
            if asked == 5:
                gate.set()
            await gate.wait()
            return "full"

        return await opened(ask, rate=1000.0, seconds=0.005)

    assert [one.outcome for one in asyncio.run(run())] == ["full"] * 5


def test_another_name_is_the_same_picture() -> None:
    picture = jpeg("scene", 64)
    one, two = renamed(picture, 1), renamed(picture, 2)
    assert len({picture, one, two}) == 3
    np.testing.assert_array_equal(decode(one).pixels, decode(picture).pixels)


@pytest.mark.usefixtures("running")
def test_a_farm_under_load_is_a_table() -> None:
    sizes = Sizes(side=64, trips=32, kept=3, overload=0.2, calm=0.1)
    picture = jpeg("scene", 64)
    with Client() as client:
        found = {one.name: one for one in bench_load.figures(client, picture, picture, 1000.0, sizes)}
    assert found["4 times the load: errors but 429"].value == 0
    rate = found["16 clients 64²"].value
    assert rate is not None
    assert found["16 clients 64²"].ratios["of_the_batched_net_alone"] == pytest.approx(rate / 1000)
    assert {"kept preview", "back to full after", "memory of the farm"} <= set(found)
