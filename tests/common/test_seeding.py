import random
import subprocess
import sys

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from hsuanwu.common.seeding import derive_seed, make_generator

PATHS = st.lists(st.integers(0, 2**31) | st.text(max_size=5), max_size=3).map(tuple)


@hypothesis.given(seed=st.integers(0, 2**40), path=PATHS)
def test_a_seed_is_a_function_of_seed_and_path(seed, path):
    found = derive_seed(seed, *path)
    assert found == derive_seed(seed, *path) and type(found) is int
    assert 0 <= found < 2**31


def test_seeds_are_the_same_in_every_process():
    """Python's own ``hash`` of a string is not."""
    program = "from hsuanwu.common.seeding import derive_seed; print(derive_seed(3, 'actor', 1, 'environment'))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(result.stdout) == derive_seed(3, "actor", 1, "environment")


def test_different_paths_are_different_streams():
    parts = ["actor", "also", "action", "learner", 0, 1, 2]
    paths = [(), *[(a,) for a in parts], *[(a, b) for a in parts for b in parts]]
    seeds = {derive_seed(seed, *path) for seed in range(20) for path in paths}
    assert len(seeds) == 20 * len(paths)


def test_four_actors_have_four_streams_that_are_not_correlated():
    draws = []
    for actor in range(4):
        for part in ("policy", "environment"):
            generator = make_generator(derive_seed(1, "actor", actor, part))
            draws.append(torch.randn(10_000, generator=generator))
    correlation = torch.corrcoef(torch.stack(draws)) - torch.eye(8)
    assert correlation.abs().max() < 0.05


def test_no_global_generator_is_touched():
    def states():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    before = states()
    generator = make_generator(derive_seed(1, "actor", 0))
    torch.randn(3, generator=generator)
    assert states() == before


def test_generators_with_one_seed_draw_the_same():
    first, second = make_generator(5), make_generator(5)
    assert torch.equal(torch.randn(4, generator=first), torch.randn(4, generator=second))
    assert first.initial_seed() == 5


def test_negative_seeds_are_refused():
    with pytest.raises(ValueError):
        derive_seed(-1)
