"""Pictures enter a convolution as they come, and count as parts of what their space says."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from hsuanwu.common.spaces import Box
from hsuanwu.xploit.encoder.frames import FrameConv2d, Frames, _whole_words

BYTES = torch.randint(0, 256, (5, 4, 13, 11), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def make_conv(high, dtype):
    torch.manual_seed(0)
    return FrameConv2d(Box(0, high, (4, 13, 11), dtype), 7, kernel_size=5, stride=2, padding=1)


@pytest.fixture
def conv():
    return make_conv(255, np.uint8)


@pytest.fixture
def plain():
    """The same weights, for pictures that are not divided."""
    return make_conv(1, np.float32)


def exact(conv, frames):
    """Return the convolution of ``frames`` in float64."""
    return functional.conv2d(frames, conv.weight.double(), conv.bias.double(), conv.stride, conv.padding)


def test_bytes_are_255ths_to_the_rounding_of_float32(conv, plain):
    found, expected = conv(BYTES), exact(conv, BYTES.double() / 255)
    assert found.dtype == torch.float32
    # a sum of 100 products, each rounded to 2^-24 of its size
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-6 * expected.abs().max().item())
    torch.testing.assert_close(found, plain(BYTES / 255), rtol=0, atol=2e-6)


def test_all_bytes_and_no_bytes(conv, plain):
    white, black = torch.full_like(BYTES, 255), torch.zeros_like(BYTES)
    torch.testing.assert_close(conv(white), plain(torch.ones(white.shape)), rtol=0, atol=2e-6)
    assert torch.equal(conv(black), plain(torch.zeros(black.shape)))


FORMS = [
    *[(dtype, 1) for dtype in ("bool", "uint8", "int8", "float32")],
    *[(dtype, 10) for dtype in ("uint8", "int8", "uint16", "int64", "float16", "float64")],
    *[(dtype, 255) for dtype in ("uint8", "int16", "int64", "float16", "float32", "float64")],
    *[(dtype, 65_535) for dtype in ("uint16", "int32", "uint32", "uint64", "float32")],
]


@pytest.mark.parametrize(("dtype", "high"), FORMS)
def test_the_space_says_what_pictures_are_divided_by(dtype, high):
    """Whatever their dtype is: bytes up to 10 are tenths, floats up to 255 are 255ths."""
    conv = make_conv(high, dtype)
    values = np.random.default_rng(1).integers(0, high, BYTES.shape, endpoint=True)
    found, expected = conv(torch.from_numpy(values.astype(dtype))), exact(conv, torch.from_numpy(values / high))
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-6 * expected.abs().max().item())


def test_gradients_of_bytes_are_those_of_255ths(conv, plain):
    gradients = []
    for module, frames in ((conv, BYTES), (plain, BYTES / 255)):
        module(frames).square().sum().backward()
        gradients.append((module.weight.grad, module.bias.grad))
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_bfloat16_only_under_autocast(conv):
    expected = conv(BYTES)
    with torch.autocast("cpu", torch.bfloat16):
        found = conv(BYTES)
    assert found.dtype == torch.bfloat16 and conv(BYTES).dtype == torch.float32
    # bytes are exact in bfloat16, weights and the result are not: 2^-9 each
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=0.02 * expected.abs().max().item())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_bytes_are_converted_once(conv, monkeypatch, dtype):
    """Straight to the dtype of the convolution: autocast would make float32 of them first."""
    seen, right = [], functional.conv2d
    monkeypatch.setattr(functional, "conv2d", lambda frames, *rest: seen.append(frames.dtype) or right(frames, *rest))
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        conv(BYTES)
    assert seen == [dtype]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_layout_of_memory_is_channels_last_and_the_shape_is_not(dtype):
    first = BYTES[:, :3].contiguous().to(dtype)
    last = first.permute(0, 2, 3, 1).contiguous()
    for frames, space in ((first, Box(0, 255, (3, 13, 11), np.uint8)), (last, Box(0, 255, (13, 11, 3), np.uint8))):
        found = Frames(space)(frames)
        assert torch.equal(found, first) and found.dtype == dtype, "bytes stay bytes"
        assert found.is_contiguous(memory_format=torch.channels_last)
    assert found.data_ptr() == last.data_ptr(), "what has the layout is not copied"


@pytest.mark.parametrize("channels", [1, 4, 8, 9])
def test_channels_for_tensor_cores_change_nothing(channels):
    generator = torch.Generator().manual_seed(0)
    frames, weight = (torch.randn(n, channels, 9, 9, generator=generator) for n in (3, 5))
    frames = frames.contiguous(memory_format=torch.channels_last)
    padded = _whole_words(frames)
    assert padded.shape == (3, -(-channels // 8) * 8, 9, 9)
    assert padded.is_contiguous(memory_format=torch.channels_last) and not padded[:, channels:].any()
    torch.testing.assert_close(functional.conv2d(padded, _whole_words(weight)), functional.conv2d(frames, weight))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_computes_the_same_in_bfloat16(conv):
    expected = exact(conv, BYTES.double() / 255)
    with torch.autocast("cuda", torch.bfloat16):
        found = conv.cuda()(BYTES.cuda())
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double().cpu(), expected, rtol=0, atol=0.02 * expected.abs().max().item())
