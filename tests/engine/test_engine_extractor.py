"""What the loss network sees, and from how far."""

from __future__ import annotations

import pytest
import torch
from engine_cases import SHAPE, net, noise
from torch import nn

from farm.engine.extractor import Extractor, chain
from farm.engine.tiling import plan_tiling

VGG19 = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,))


def test_the_taps_of_vgg19() -> None:
    taps = {tap.name: tap for tap in chain(VGG19)}
    assert list(taps)[:4] == ["rgb", "conv1_1", "conv1_2", "conv2_1"]
    assert [taps[f"conv{block}_1"].stride for block in range(1, 6)] == [1, 2, 4, 8, 16]
    assert [taps[f"conv{block}_1"].radius for block in range(1, 6)] == [1, 4, 10, 30, 70]
    assert taps["conv4_2"].radius == 38
    assert taps["conv5_1"].channels == 512
    assert taps["rgb"].radius == 0


def test_the_halo_of_vgg19_to_conv5_1_is_eighty_pixels() -> None:
    last = chain(VGG19)[-1]
    assert plan_tiling(1000, 1000, 256, radius=last.radius, stride=last.stride).halo == 80


def positive_net() -> Extractor:
    """A net in which every pixel that can be seen has a positive influence."""
    extractor = net()
    for convolution in extractor.convolutions.values():
        assert isinstance(convolution, nn.Conv2d)
        convolution.weight.abs_()
        assert convolution.bias is not None
        convolution.bias.fill_(100.0)
    return extractor


@pytest.mark.parametrize("name", [tap.name for tap in chain(SHAPE)])
def test_a_cell_sees_its_radius_and_no_further(name: str) -> None:
    extractor = positive_net()
    tap = extractor.taps[name]
    picture = noise(1, 3, 160, 160).requires_grad_()
    cell = 80 // tap.stride
    seen = extractor(picture, [name])[name][0, :, cell, cell].sum()
    (influence,) = torch.autograd.grad(seen, picture)
    rows = influence[0].abs().sum((0, 2)).nonzero().flatten()
    columns = influence[0].abs().sum((0, 1)).nonzero().flatten()
    for reach in (rows, columns):
        assert reach[0].item() == 80 - tap.radius
        assert reach[-1].item() == 80 + tap.stride + tap.radius - 1


def test_a_change_beyond_the_radius_changes_nothing() -> None:
    extractor = net()
    radius = extractor.taps["conv5_1"].radius
    picture = noise(1, 3, 160, 160)
    before = extractor(picture, ["conv5_1"])["conv5_1"]
    picture[..., 80 - radius - 1, :] = 0
    after = extractor(picture, ["conv5_1"])["conv5_1"]
    assert torch.equal(before[..., 5:, :], after[..., 5:, :])
    assert not torch.equal(before[..., :5, :], after[..., :5, :])


def test_feature_maps_have_the_size_of_picture_over_stride() -> None:
    extractor = net()
    found = extractor(noise(1, 3, 75, 50), extractor.taps)
    assert set(found) == set(extractor.taps)
    for name, tap in extractor.taps.items():
        assert found[name].shape == (1, tap.channels, 75 // tap.stride, 50 // tap.stride)
        assert (found[name] >= 0).all()


def test_only_the_taps_asked_for_are_given() -> None:
    picture = noise(1, 3, 20, 20)
    found = net()(picture, ["rgb", "conv2_1"])
    assert set(found) == {"rgb", "conv2_1"}
    assert torch.equal(found["rgb"], picture)


def test_an_unknown_tap_is_named_with_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"no such taps: \['conv9_1'\].*'conv5_1'"):
        net()(noise(1, 3, 16, 16), ["conv1_1", "conv9_1"])


def test_pictures_are_normalised_by_mean_and_deviation() -> None:
    extractor = Extractor(((2,),), mean=(0.2, 0.4, 0.6), std=(0.1, 0.2, 0.3)).requires_grad_(False)
    convolution = extractor.convolutions["conv1_1"]
    assert isinstance(convolution, nn.Conv2d)
    grey = torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    found = extractor(grey, ["conv1_1"])["conv1_1"]
    assert convolution.bias is not None
    torch.testing.assert_close(found[0, :, 4, 4], convolution.bias.clamp_min(0))
