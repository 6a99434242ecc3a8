"""What ranks are made to do, in threads and in processes."""

from __future__ import annotations

import torch
from torch import Tensor

from farm.engine.halo import Halo, gather
from farm.engine.mesh import Mesh

CPU = torch.device("cpu")
OWNED, NEEDED = [(0, 4), (4, 4), (4, 9)], [(0, 6), (2, 5), (3, 9)]


def cpus(count: int) -> list[torch.device]:
    return [CPU] * count


def values(rank: int) -> list[Tensor]:
    """Of several shapes and dtypes; float32 sums of these depend on their order."""
    generator = torch.Generator().manual_seed(rank)
    large = torch.tensor([1e8, -1e8, 1.0, 3.0][rank % 4])
    return [
        large, torch.rand(3, 5, generator=generator, dtype=torch.float64), torch.zeros(0, 2),
        torch.rand(7, generator=generator) * large, torch.tensor([rank, 2]),
        torch.rand(4, generator=generator).half(),
    ]  # fmt: skip


def in_turn(size: int) -> list[Tensor]:
    total = values(0)
    for rank in range(1, size):
        total = [one + other for one, other in zip(total, values(rank), strict=True)]
    return total


def around(mesh: Mesh) -> dict[int, Tensor]:
    """Rank r sends r + 1 rows of its number to the next, in float16; the last sends nothing."""
    ranks = range(mesh.size - 1)
    parcels = {mesh.rank + 1: torch.full((mesh.rank + 1, 2), float(mesh.rank)).half()}
    expected = {mesh.rank - 1: (mesh.rank, 2)}
    return mesh.exchange(
        parcels if mesh.rank in ranks else {}, expected if mesh.rank else {}, torch.float16
    )


def picture(rows: tuple[int, int]) -> Tensor:
    return (
        torch.arange(9 * 2 * 4, dtype=torch.float64).view(1, 2, 9, 4)[:, :, rows[0] : rows[1]].clone()
    )


def halo(mesh: Mesh) -> tuple[Tensor, list[tuple[int, Tensor]], Tensor | None]:
    one = Halo(mesh, OWNED, NEEDED)
    own = picture(OWNED[mesh.rank])
    fetched = one.fetch(own)
    top, bottom = NEEDED[mesh.rank]
    first, end = one.exclusive
    pieces = [(row, fetched[:, :, row - top : row - top + 1] / 3) for row in range(top, bottom)]
    settled = one.settle([piece for piece in pieces if not first <= piece[0] < end])
    return fetched, settled, gather(mesh, own, OWNED)
