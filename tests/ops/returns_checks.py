"""What every implementation of the returns must do; each check takes a namespace that holds the four functions."""

from __future__ import annotations

import math
from types import SimpleNamespace

import torch
from torch import Tensor

from tests.ops import oracle
from tests.ops.cases import POISONS, Case, assert_near, many_cases, poisoned, random_case
from tests.ops.vtrace_checks import assert_refused

Ops = SimpleNamespace
CASES = many_cases(seeds=1)


def all_results(ops: Ops, case: Case) -> dict[str, Tensor]:
    return {
        "gae": ops.generalized_advantages(*case.tensors[1:], **case.flags, lambda_=0.8),
        "lambda": ops.lambda_returns(*case.on_policy, **case.flags, lambda_=0.8),
        "discounted": ops.discounted_returns(*case.on_policy, **case.flags),
        "2-step": ops.n_step_returns(*case.on_policy, 2, **case.flags),
        "5-step": ops.n_step_returns(*case.on_policy, 5, **case.flags),
    }


def check_n_step_returns(ops: Ops) -> None:
    for case in CASES:
        for n in (1, 2, 3, 7, 100):
            expected = oracle.n_step_returns(*case.on_policy, n, **case.flags)
            assert_near(ops.n_step_returns(*case.on_policy, n, **case.flags), expected)


def check_discounted_returns(ops: Ops) -> None:
    for case in CASES:
        expected = oracle.n_step_returns(*case.on_policy, len(case.rewards), **case.flags)
        assert_near(ops.discounted_returns(*case.on_policy, **case.flags), expected)
    rewards, zeros = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), torch.zeros(3, 2)
    assert torch.equal(
        ops.discounted_returns(zeros + 1.0, rewards, zeros), torch.tensor([[9.0, 12.0], [8.0, 10.0], [5.0, 6.0]])
    )


def check_discounted_returns_look_at_no_value_inside(ops: Ops) -> None:
    case = random_case(1, (6, 3), cut=0.0, invalid=0.0)
    expected = ops.discounted_returns(*case.on_policy)
    case.next_values[:-1] = math.nan
    assert_near(ops.discounted_returns(*case.on_policy), expected)


def check_lambda_returns(ops: Ops) -> None:
    for case in CASES:
        for lambda_ in (0.0, 0.4, 0.95, 1.0):
            expected = oracle.lambda_returns(*case.on_policy, lambda_, **case.flags)
            assert_near(ops.lambda_returns(*case.on_policy, **case.flags, lambda_=lambda_), expected)


def check_generalized_advantages(ops: Ops) -> None:
    for case in CASES:
        for lambda_ in (0.0, 0.4, 0.95, 1.0):
            expected = oracle.generalized_advantages(*case.tensors[1:], lambda_, **case.flags)
            assert_near(ops.generalized_advantages(*case.tensors[1:], **case.flags, lambda_=lambda_), expected)


def check_lambda_is_one_by_default(ops: Ops) -> None:
    case = random_case(2, (5, 3))
    whole = oracle.n_step_returns(*case.on_policy, 5, **case.flags)
    assert case.mask is not None
    assert_near(ops.lambda_returns(*case.on_policy, **case.flags), whole)
    gae = ops.generalized_advantages(*case.tensors[1:], **case.flags)
    assert_near(gae, torch.where(case.mask, whole - case.values, 0.0))


def check_nothing_crosses_a_cut(ops: Ops) -> None:
    for poison in POISONS:
        case = random_case(3, (8, 3), cut=0.1, invalid=0.1)
        assert case.cuts is not None
        case.cuts[3] = True
        below = torch.zeros(8, 3, dtype=torch.bool)
        below[4:] = True
        expected = all_results(ops, case.rows(0, 4))
        for name, x in all_results(ops, poisoned(case, below, poison)).items():
            assert_near(x[:4], expected[name], name)


def check_invalid_rows_carry_nothing(ops: Ops) -> None:
    for poison in POISONS:
        for seed in range(3):
            case = random_case(seed, (9, 4), invalid=0.4)
            assert case.mask is not None
            expected = all_results(ops, case)
            for name, x in all_results(ops, poisoned(case, ~case.mask, poison)).items():
                assert bool((x[~case.mask] == 0.0).all()), name
                assert_near(x, expected[name], name)


def check_no_gradient_and_float32(ops: Ops) -> None:
    case = random_case(4, (5, 3))
    grown = case.map(lambda x: x if x.dtype == torch.bool else x.double().requires_grad_())
    for name, x in all_results(ops, grown).items():
        assert x.dtype == torch.float32 and not x.requires_grad, name


def check_inputs_are_left_alone(ops: Ops) -> None:
    case = random_case(5, (5, 3))
    before = case.map(torch.clone)
    for x in all_results(ops, case).values():
        x.fill_(math.nan)
    assert all(torch.equal(x, y) for x, y in zip(vars(case).values(), vars(before).values(), strict=True))


def check_bad_inputs_are_refused(ops: Ops) -> None:
    case = random_case(6, (5, 3))
    short = case.but(rewards=case.rewards[:-1])
    for x in (short, case.but(cuts=case.cuts.float()), case.but(mask=case.mask[0]), case.but(rewards=case.mask)):
        assert_refused(lambda x=x: ops.generalized_advantages(*x.tensors[1:], **x.flags), "found", "expected")
        assert_refused(lambda x=x: ops.lambda_returns(*x.on_policy, **x.flags), "found", "expected")
        assert_refused(lambda x=x: ops.discounted_returns(*x.on_policy, **x.flags), "found", "expected")
        assert_refused(lambda x=x: ops.n_step_returns(*x.on_policy, 3, **x.flags), "found", "expected")
    assert_refused(lambda: ops.n_step_returns(*case.on_policy, 0), "n: found 0")
    assert_refused(lambda: ops.lambda_returns(*case.on_policy, lambda_=-0.5), "lambda_")
    assert_refused(lambda: ops.generalized_advantages(*case.tensors[1:], lambda_=2.0), "lambda_")


CHECKS = [check for name, check in list(globals().items()) if name.startswith("check_")]
