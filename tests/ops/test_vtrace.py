import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsuanwu.ops.vtrace import vtrace
from tests.ops.cases import random_case
from tests.ops.mutants import load
from tests.ops.vtrace_checks import CHECKS, Ops, assert_is_the_paper

OURS = Ops(vtrace=vtrace)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_vtrace(check):
    check(OURS)


bounds = st.one_of(st.none(), st.floats(0.0, 3.0))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**20),
    shape=st.tuples(st.integers(1, 12), st.integers(1, 4)),
    cut=st.sampled_from([0.0, 0.2, 0.6]),
    invalid=st.sampled_from([0.0, 0.2, 0.6]),
    lambda_=st.floats(0.0, 1.0),
    clip_rho=bounds,
    clip_c=st.floats(0.0, 2.0),
    clip_pg_rho=bounds,
)
def test_vtrace_is_the_papers_double_sum(seed, shape, cut, invalid, lambda_, clip_rho, clip_c, clip_pg_rho):
    case = random_case(seed, shape, cut=cut, invalid=invalid)
    assert_is_the_paper(OURS, case, lambda_=lambda_, clip_rho=clip_rho, clip_c=clip_c, clip_pg_rho=clip_pg_rho)


def test_signature_is_the_published_one():
    assert str(inspect.signature(vtrace)) == (
        "(log_rhos: 'Tensor', discounts: 'Tensor', rewards: 'Tensor', values: 'Tensor', next_values: 'Tensor', *, "
        "cuts: 'Tensor | None' = None, mask: 'Tensor | None' = None, lambda_: 'float' = 1.0, "
        "clip_rho: 'float | None' = 1.0, clip_c: 'float | None' = 1.0, clip_pg_rho: 'float | None' = 1.0) -> 'VTrace'"
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_vtrace_on_cuda_is_vtrace_on_cpu():
    case = random_case(0, (20, 8))
    there = case.map(lambda x: x.cuda())
    for x, y in zip(vtrace(*there.tensors, **there.flags), vtrace(*case.tensors, **case.flags), strict=True):
        assert x.is_cuda
        torch.testing.assert_close(x.cpu(), y)


def test_a_fresh_copy_of_the_source_passes_too():
    """Else a mutant would be caught by the copying, not by the alteration."""
    ops = load()
    for check in CHECKS:
        check(ops)
