"""Numbers of a distribution on any device."""

import copy

import numpy as np
import torch

from hsuanwu.xplore.distribution.constant import Constant

ARRAY = np.arange(3, dtype=np.float32)


def test_on_the_cpu_it_is_the_array_itself():
    assert Constant(ARRAY).on(torch.device("cpu")).data_ptr() == ARRAY.ctypes.data


def test_an_accelerator_gets_it_once_and_gradients_may_pass_it():
    constant, device = Constant(ARRAY), torch.device("meta")
    with torch.inference_mode():
        found = constant.on(device)
    assert found is constant.on(device) and found.device == device and not found.is_inference()


def test_a_copy_has_copies_of_its_own():
    constant, device = Constant(ARRAY), torch.device("meta")
    found, twin = constant.on(device), copy.deepcopy(constant)
    assert twin.on(device) is not found and twin.on(torch.device("cpu")).tolist() == [0, 1, 2]
