"""How near previews come to prints: the measure itself, on painters whose answer is known."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from engine_cases import TINY, noise, tiny_net, waves
from torch import Tensor

from farm.engine.colour_match import colour_statistics, tint
from farm.engine.measure.closing import Subject, Trial, quality, trials
from farm.engine.measure.likeness import rank_correlation, ssim


def content_itself(content: Tensor, _style: Tensor, _strength: float) -> Tensor:
    return content


def palette_alone(content: Tensor, style: Tensor, strength: float) -> Tensor:
    return tint(content, *colour_statistics(style), strength)


def found(contents: int = 1, styles: int = 2) -> Sequence[Trial]:
    paints = {"nothing": content_itself, "palette": palette_alone}
    return list(
        trials(
            [Subject(f"c{seed}", waves(32, 40, seed)) for seed in range(contents)],
            [Subject(f"s{seed}", noise(1, 3, 32, 32, seed=seed, dtype=torch.float32) ** (1 + seed))
             for seed in range(1, 1 + styles)],
            paints, tiny_net(), TINY, iterations=12,
        )
    )  # fmt: skip


def test_who_does_nothing_closes_nothing_and_the_palette_is_where_the_net_begins() -> None:
    for trial in found():
        assert trial.start > trial.palette > trial.optimum
        assert trial.closed("nothing") == pytest.approx(0, abs=1e-6)
        assert trial.beyond_palette("palette") == pytest.approx(0, abs=1e-3)
        assert 0 < trial.closed("palette") < 1
        assert trial.ssims["nothing"] == pytest.approx(1, abs=1e-5)
        assert list(trial.pictures) == ["content", "style", "nothing", "palette", "optimum"]


def trial(start: float, preview: float, optimum: float, content: str = "c") -> Trial:
    return Trial(content, "s", start, start, optimum, 0.4, {"net": preview}, {"net": 0.5}, {})


def test_the_summary_is_of_all_trials() -> None:
    shares = [0.1 * step for step in range(11)]
    summary = quality([trial(3, 3 - 2 * share, 1 - share / 9) for share in shares], "net")
    wanted = [2 * share / (2 + share / 9) for share in shares]
    assert summary.closed == pytest.approx(wanted[5])
    assert summary.worst_decile == pytest.approx(wanted[1])
    assert (summary.ssim, summary.optimum_ssim, summary.trials) == (0.5, 0.4, 11)
    assert summary.rank == pytest.approx(1)


def test_ranks_are_compared_within_a_content() -> None:
    one = [trial(9, loss, loss / 2, "a") for loss in (1, 2, 3)]
    other = [trial(9, loss, 5 - loss, "b") for loss in (1.5, 2.5, 3.5)]
    assert quality([*one, *other], "net").rank == pytest.approx(0)


@pytest.mark.parametrize(
    ("other", "wanted"), [((10.0, 20.0, 40.0, 30.0), 0.8), ((4.0, 3.0, 2.0, 1.0), -1.0)]
)
def test_spearman_in_closed_form(other: Sequence[float], wanted: float) -> None:
    assert rank_correlation((1.0, 2.0, 3.0, 4.0), other) == pytest.approx(wanted)


def test_ssim_of_a_picture_and_its_negative_shift_and_noise() -> None:
    picture = waves(40, 48, 2)
    assert ssim(picture, picture) == pytest.approx(1)
    assert ssim(picture, 1 - picture) < 0.2
    noisy = (picture + 0.1 * torch.randn(picture.shape, generator=torch.manual_seed(1))).clamp(0, 1)
    assert ssim(noisy, picture) < ssim((picture + 0.02).clamp(0, 1), picture) < 1


def test_ssim_of_flat_pictures_in_closed_form() -> None:
    one, other = torch.full((1, 3, 16, 16), 0.2), torch.full((1, 3, 16, 16), 0.8)
    assert ssim(one, other) == pytest.approx((2 * 0.16 + 1e-4) / (0.04 + 0.64 + 1e-4), abs=1e-4)
