"""Frames enter a convolution as they come, and bytes count as 255ths."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from hsuanwu.common.spaces import Box
from hsuanwu.xploit.encoder.frames import FrameConv2d, Frames, _whole_words

BYTES = torch.randint(0, 256, (5, 4, 13, 11), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def conv():
    torch.manual_seed(0)
    return FrameConv2d(4, 7, kernel_size=5, stride=2, padding=1)


def exact(conv, frames):
    """Return the convolution of ``frames`` in float64."""
    return functional.conv2d(frames, conv.weight.double(), conv.bias.double(), conv.stride, conv.padding)


def test_bytes_are_255ths_to_the_rounding_of_float32(conv):
    found, expected = conv(BYTES), exact(conv, BYTES.double() / 255)
    assert found.dtype == torch.float32
    # a sum of 100 products, each rounded to 2^-24 of its size
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-6 * expected.abs().max().item())
    torch.testing.assert_close(found, conv(BYTES / 255), rtol=0, atol=2e-6)


def test_all_bytes_and_no_bytes(conv):
    white, black = torch.full_like(BYTES, 255), torch.zeros_like(BYTES)
    torch.testing.assert_close(conv(white), conv(torch.ones(white.shape)), rtol=0, atol=2e-6)
    assert torch.equal(conv(black), conv(torch.zeros(black.shape)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int16, torch.int64, torch.bool])
def test_other_numbers_are_as_they_are(conv, dtype):
    frames = torch.randint(0, 2, BYTES.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    torch.testing.assert_close(conv(frames).double(), exact(conv, frames.double()), rtol=0, atol=2e-6)


def test_gradients_of_bytes_are_those_of_255ths(conv):
    gradients = []
    for frames in (BYTES, BYTES / 255):
        conv.zero_grad()
        conv(frames).square().sum().backward()
        gradients.append((conv.weight.grad.clone(), conv.bias.grad.clone()))
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
