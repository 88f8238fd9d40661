import numpy as np
import pytest
import torch
from torch.nn import functional

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import Box, Dict, Discrete
from hsuanwu.xplore.augmentation import RandomShift

N, C, H, W, PAD = 40, 3, 7, 9, 2


def frames(dtype=torch.uint8):
    return torch.randint(0, 256, (N, C, H, W), generator=torch.Generator().manual_seed(0)).to(dtype)


def crops(frame, pad):
    """All crops of one padded frame, the way of the paper."""
    padded = functional.pad(frame.double().unsqueeze(0), (pad,) * 4, mode="replicate")[0]
    rows, columns = padded.shape[1] - 2 * pad, padded.shape[2] - 2 * pad
    places = [(y, x) for y in range(2 * pad + 1) for x in range(2 * pad + 1)]
    return {(y, x): padded[:, y : y + rows, x : x + columns] for y, x in places}


def shift_of(frame, shifted, pad):
    (place,) = [place for place, crop in crops(frame, pad).items() if torch.equal(crop, shifted.double())]
    return place


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64", "int32", "float16", "float32", "float64"])
def test_each_frame_is_a_crop_of_its_padding(dtype):
    dtype = getattr(torch, dtype)
    x = frames(dtype)
    y = RandomShift(Box(0, 255, (C, H, W)), PAD)(x, torch.Generator().manual_seed(1))
    assert y.dtype == dtype and y.shape == x.shape
    places = [shift_of(a, b, PAD) for a, b in zip(x, y, strict=True)]
    assert len(set(places)) > 10, "each frame has its own shift"


def test_all_shifts_are_equally_likely():
    draws = 9000
    x = torch.arange(9.0).reshape(1, 1, 3, 3).expand(draws, 1, 3, 3)
    y = RandomShift(Box(0, 9, (1, 3, 3)), 1)(x, torch.Generator().manual_seed(0))
    counts = y[:, 0, 1, 1].long().bincount(minlength=9)
    assert ((counts - draws / 9).abs() < 5 * (draws * 8 / 81) ** 0.5).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 12])
def test_channels_last(channels):
    x = torch.randint(0, 256, (N, channels, 24, 24), generator=torch.Generator().manual_seed(0))
    first, last = (RandomShift(Box(0, 255, shape), PAD) for shape in ((channels, 24, 24), (24, 24, channels)))
    found = last(x.permute(0, 2, 3, 1).contiguous(), torch.Generator().manual_seed(1))
    assert torch.equal(found, first(x, torch.Generator().manual_seed(1)).permute(0, 2, 3, 1))


def test_pad_beyond_the_frame():
    x = torch.rand(5, 1, 2, 3)
    y = RandomShift(Box(0, 1, (1, 2, 3)), 6)(x)
    assert y.shape == x.shape
    assert set(y[0].flatten().tolist()) <= set(x[0].flatten().tolist())


def test_only_the_images_of_a_dict():
    image = Box(0, 255, (C, H, W), np.uint8)
    space = Dict({"front": image, "inner": Dict({"back": image, "gear": Discrete(3)}), "speed": Box(-1, 1, (2,))})
    x = {"front": frames(), "inner": {"back": frames(), "gear": torch.arange(N) % 3}, "speed": torch.rand(N, 2)}
    y = RandomShift(space)(x, torch.Generator().manual_seed(0))
    assert torch.equal(y["speed"], x["speed"]) and torch.equal(y["inner"]["gear"], x["inner"]["gear"])
    assert not torch.equal(y["front"], x["front"]) and not torch.equal(y["inner"]["back"], x["inner"]["back"])
    assert not torch.equal(y["front"], y["inner"]["back"])


def test_randomness_comes_from_one_place():
    shift, x = RandomShift(Box(0, 255, (C, H, W), np.uint8)), frames()
    state = torch.get_rng_state()
    first = shift(x, torch.Generator().manual_seed(5))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first, shift(x, torch.Generator().manual_seed(5)))
    shift(x)
    assert not torch.equal(state, torch.get_rng_state())


def test_mistakes():
    with pytest.raises(ConfigurationError, match=r"augmentation: random_shift needs frames .* found Box.*; use no aug"):
        RandomShift(Box(-1, 1, (4,)))
    with pytest.raises(ConfigurationError, match=r"augmentation.pad: found 0; use 1 or more"):
        RandomShift(Box(0, 1, (C, H, W)), 0)
