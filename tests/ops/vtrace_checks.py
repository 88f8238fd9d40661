"""What every implementation of V-trace must do; each check takes a namespace that holds ``vtrace``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from types import SimpleNamespace

import torch

from tests.ops import oracle
from tests.ops.cases import POISONS, Case, assert_near, many_cases, poisoned, random_case, same

Ops = SimpleNamespace
BOUNDS = (
    {},
    {"clip_rho": 2.0, "clip_c": 0.7, "clip_pg_rho": 1.3, "lambda_": 0.9},
    {"clip_rho": None, "clip_c": 1.0, "clip_pg_rho": None, "lambda_": 0.5},
    {"clip_rho": 0.8, "clip_c": 1.5, "clip_pg_rho": math.inf},
    {"clip_rho": 1.0, "clip_c": 0.0, "clip_pg_rho": 0.0, "lambda_": 0.0},
)


def assert_is_the_paper(ops: Ops, case: Case, **bounds: float | None) -> None:
    targets, advantages = ops.vtrace(*case.tensors, **case.flags, **bounds)
    expected_targets, expected_advantages = oracle.vtrace(*case.tensors, **case.flags, **bounds)
    assert_near(targets, expected_targets, "targets")
    assert_near(advantages, expected_advantages, "advantages")


def check_double_sum(ops: Ops) -> None:
    for i, case in enumerate(many_cases()):
        assert_is_the_paper(ops, case, **BOUNDS[i % len(BOUNDS)])


def check_each_bound_alone(ops: Ops) -> None:
    for name in ("clip_rho", "clip_c", "clip_pg_rho", "lambda_"):
        bounds: dict[str, float | None] = {"clip_rho": None, "clip_c": 2.0, "clip_pg_rho": None, name: 0.6}
        for seed in range(3):
            assert_is_the_paper(ops, random_case(seed, (6, 4)), **bounds)


def check_long_rollouts(ops: Ops) -> None:
    assert_is_the_paper(ops, random_case(0, (80, 3), spread=0.3, cut=0.02, invalid=0.0))
    assert_is_the_paper(ops, random_case(1, (64, 2), spread=0.0, cut=0.0, invalid=0.0))
    assert_is_the_paper(ops, random_case(2, (65, 2), spread=0.1, cut=0.0, invalid=0.03))


def check_extreme_ratios(ops: Ops) -> None:
    extremes = torch.tensor([1e4, -1e4, math.inf, -math.inf, 88.0, -88.0, 0.0, 1e-6])
    for seed, bounds in enumerate(({}, {"clip_rho": 3.0, "clip_c": 2.0, "clip_pg_rho": 5.0, "lambda_": 0.9})):
        case = random_case(seed, (8, 5))
        pick = torch.randint(len(extremes), (8, 5), generator=torch.Generator().manual_seed(seed))
        assert_is_the_paper(ops, case.but(log_rhos=extremes[pick]), **bounds)


def check_unbounded_ratios_make_no_nan(ops: Ops) -> None:
    zeros = torch.zeros(6, 2)
    for log_rho in (100.0, math.inf):
        result = ops.vtrace(
            zeros + log_rho, zeros + 0.9, zeros, zeros, zeros, clip_rho=None, clip_c=None, clip_pg_rho=None
        )
        assert all(same(x, zeros) for x in result)


def check_on_policy_is_n_step(ops: Ops) -> None:
    for case in many_cases(seeds=1, spread=0.0):
        expected = oracle.n_step_returns(*case.on_policy, len(case.rewards), **case.flags)
        valid = torch.ones_like(case.rewards, dtype=torch.bool) if case.mask is None else case.mask
        targets, advantages = ops.vtrace(*case.tensors, **case.flags)
        assert_near(targets, torch.where(valid, expected, case.values.double()))
        assert_near(advantages, torch.where(valid, expected - case.values, 0.0))


def check_on_policy_is_gae(ops: Ops) -> None:
    for lambda_, case in itertools.product((0.0, 0.3, 0.95, 1.0), many_cases(seeds=1, spread=0.0)[-8:]):
        gae = oracle.generalized_advantages(*case.tensors[1:], lambda_, **case.flags)
        assert_near(ops.vtrace(*case.tensors, **case.flags, lambda_=lambda_).targets, gae + case.values)


def check_joined_at_a_truncation(ops: Ops) -> None:
    first, second = (random_case(seed, (rows, 4)) for seed, rows in ((1, 5), (2, 3)))
    assert first.cuts is not None and first.mask is not None
    first.cuts[-1], first.mask[-1] = True, True
    joined = Case(**{k: torch.cat([x, vars(second)[k]]) for k, x in vars(first).items()})
    assert bool((joined.discounts[4] > 0).any())
    alone = [ops.vtrace(*case.tensors, **case.flags) for case in (first, second)]
    together = ops.vtrace(*joined.tensors, **joined.flags)
    for i in range(2):
        assert_near(together[i], torch.cat([alone[0][i], alone[1][i]]))
    for i, part in enumerate((first, second)):
        uncut = part.but(cuts=part.cuts.clone())  # the last row's cut adds nothing to the end of the data
        uncut.cuts[-1] = False
        assert_near(ops.vtrace(*uncut.tensors, **uncut.flags).targets, alone[i].targets)


def check_nothing_crosses_a_cut(ops: Ops) -> None:
    for poison, (seed, row) in itertools.product(POISONS, ((0, 0), (1, 3), (2, 6))):
        case = random_case(seed, (8, 3), cut=0.1, invalid=0.1)
        assert case.cuts is not None
        case.cuts[row] = True
        below = torch.zeros(8, 3, dtype=torch.bool)
        below[row + 1 :] = True
        for x, y in zip(
            ops.vtrace(*poisoned(case, below, poison).tensors, **case.flags),
            ops.vtrace(*case.rows(0, row + 1).tensors, **case.rows(0, row + 1).flags),
            strict=True,
        ):
            assert bool(x[: row + 1].isfinite().all()) and bool(y.isfinite().all())
            assert_near(x[: row + 1], y)


def check_bootstrap_stays_at_a_cut(ops: Ops) -> None:
    zeros, cuts = torch.zeros(3, 2), torch.tensor([[False, False], [True, True], [False, False]])
    next_values = torch.tensor([[0.0, 0.0], [4.0, 8.0], [2.0, 2.0]])
    targets, advantages = ops.vtrace(zeros, zeros + 0.5, zeros, zeros, next_values, cuts=cuts)
    expected = torch.tensor([[1.0, 2.0], [2.0, 4.0], [1.0, 1.0]])
    assert torch.equal(targets, expected) and torch.equal(advantages, expected)


def check_a_discount_of_zero_hides_what_follows(ops: Ops) -> None:
    for poison in POISONS:
        case = random_case(5, (6, 3), cut=0.0, invalid=0.0)
        case.discounts[2], case.next_values[2] = 0.0, poison
        below = torch.zeros(6, 3, dtype=torch.bool)
        below[3:] = True
        clean = case.but(next_values=case.next_values.nan_to_num(0.0, 0.0, 0.0))
        expected = ops.vtrace(*clean.rows(0, 3).tensors)
        for x, y in zip(ops.vtrace(*poisoned(case, below, poison).tensors), expected, strict=True):
            assert bool(y.isfinite().all())
            assert_near(x[:3], y)


def check_invalid_rows_carry_nothing(ops: Ops) -> None:
    for poison, seed in itertools.product((*POISONS, 1e30), range(3)):
        case = random_case(seed, (9, 4), invalid=0.4)
        assert case.mask is not None
        expected = oracle.vtrace(*case.tensors, **case.flags)
        bad = poisoned(case, ~case.mask, poison)
        targets, advantages = ops.vtrace(*bad.tensors, **case.flags)
        assert_near(targets[case.mask], expected[0][case.mask])
        assert same(targets[~case.mask], bad.values[~case.mask]), "the target of an invalid row is its value"
        assert_near(advantages, expected[1])


def check_nan_of_a_valid_row_is_seen(ops: Ops) -> None:
    case = random_case(3, (6, 2), cut=0.0, invalid=0.0)
    for i in range(4):
        tensors = [x.clone() for x in case.tensors]
        tensors[i][3] = math.nan
        targets = ops.vtrace(*tensors).targets
        assert bool(targets[:4].isnan().all()) and bool(targets[4:].isfinite().all())


def check_no_gradient(ops: Ops) -> None:
    case = random_case(4, (5, 3))
    tensors = [x.clone().requires_grad_() for x in case.tensors]
    for x in ops.vtrace(*tensors, **case.flags):
        assert not x.requires_grad and x.grad_fn is None


def check_types(ops: Ops) -> None:
    case = random_case(6, (5, 3))
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        cast = case.map(lambda x, dtype=dtype: x if x.dtype == torch.bool else x.to(dtype))
        result = ops.vtrace(*cast.tensors, **cast.flags)
        assert all(x.dtype == torch.float32 for x in result)
        for x, y in zip(result, oracle.vtrace(*cast.tensors, **cast.flags), strict=True):
            assert_near(x, y)
    mixed = (case.log_rhos.half(), case.discounts.double(), case.rewards, case.values.bfloat16(), case.next_values)
    assert all(x.dtype == torch.float32 for x in ops.vtrace(*mixed, **case.flags))


def check_inputs_are_left_alone(ops: Ops) -> None:
    case = random_case(7, (5, 3))
    before = case.map(torch.clone)
    targets, advantages = ops.vtrace(*case.tensors, **case.flags)
    targets.fill_(math.nan)
    advantages.fill_(math.nan)
    assert all(torch.equal(x, y) for x, y in zip(vars(case).values(), vars(before).values(), strict=True))
    full = case.but(mask=torch.ones(5, 3, dtype=torch.bool))
    ops.vtrace(*full.tensors, **full.flags).targets.fill_(math.nan)
    assert torch.equal(full.values, before.values)


def check_any_strides(ops: Ops) -> None:
    case = random_case(8, (5, 3))
    gamma = torch.tensor(0.9).expand(5, 3)
    strided = case.map(lambda x: x.t().contiguous().t()).but(discounts=gamma)
    dense = case.but(discounts=gamma.clone())
    for x, y in zip(
        ops.vtrace(*strided.tensors, **strided.flags), ops.vtrace(*dense.tensors, **dense.flags), strict=True
    ):
        assert_near(x, y)


def check_any_device(ops: Ops) -> None:
    """On the meta device there are no numbers: whoever looks at one, to branch on it, fails."""
    case = random_case(9, (5, 3)).map(lambda x: x.to("meta"))
    for x in ops.vtrace(*case.tensors, **case.flags):
        assert x.device.type == "meta" and x.shape == (5, 3)


def check_fixed_point_of_a_bandit(ops: Ops) -> None:
    """Two arms, behaviour .5/.5, target .9/.1, rewards 1/0: the fixed point weighs arms with min(mu, pi)."""
    num_steps, gamma = 3, 0.5
    arms = torch.tensor(list(itertools.product((0, 1), repeat=num_steps))).t()  # every history, all equally likely
    log_rhos = torch.tensor([0.9 / 0.5, 0.1 / 0.5]).log()[arms]
    rewards = torch.tensor([1.0, 0.0])[arms]
    for ratios, expected in ((log_rhos, 0.5 / (0.5 + 0.1)), (torch.zeros_like(log_rhos), 0.5)):
        for discount, horizon in ((0.0, 1.0), (gamma, 1.0 / (1.0 - gamma))):
            value = torch.zeros_like(rewards)
            for _ in range(200):
                targets = ops.vtrace(ratios, torch.full_like(rewards, discount), rewards, value, value).targets
                value = targets[0].mean().expand_as(rewards)
            assert abs(float(value[0, 0]) - expected * horizon) < 1e-5


def assert_refused(call: Callable[[], object], *words: str) -> None:
    try:
        call()
    except ValueError as error:
        message = str(error)
        assert "\n" not in message and all(word in message for word in words), message
        return
    raise AssertionError(f"accepted; expected a ValueError about {words}")


def check_bad_inputs_are_refused(ops: Ops) -> None:
    case = random_case(0, (4, 3))
    for name in ("log_rhos", "discounts", "rewards", "values", "next_values"):
        x = vars(case)[name]
        for bad in (x[0], x[:-1], x[:, :1], x[..., None], x.long(), x.tolist(), x[:0], None, x.to("meta")):
            inputs = {**vars(case), name: bad}
            assert_refused(lambda inputs=inputs: ops.vtrace(**inputs), ":", "found", "expected")
    assert_refused(lambda: ops.vtrace(**{**vars(case), "rewards": case.rewards.t()}), "rewards", "(3, 4)", "(4, 3)")
    for reshape in (lambda x: x[:, 0], lambda x: x[..., None], lambda x: x[:0], lambda x: x[:, :0]):
        bad_case = case.map(reshape)
        assert_refused(lambda bad_case=bad_case: ops.vtrace(**vars(bad_case)), "log_rhos", "[T, B]")
    for name in ("cuts", "mask"):
        flag = vars(case)[name]
        for bad in (flag.float(), flag.long(), flag[:-1], flag[0], flag.tolist()):
            assert_refused(lambda name=name, bad=bad: ops.vtrace(**{**vars(case), name: bad}), f"{name}: ", "expected")
    for name in ("clip_rho", "clip_c", "clip_pg_rho", "lambda_"):
        for number in (-0.1, math.nan):
            assert_refused(lambda name=name, number=number: ops.vtrace(**vars(case), **{name: number}), name)
    assert_refused(lambda: ops.vtrace(**vars(case), lambda_=1.1), "lambda_", "1.1")


CHECKS = [check for name, check in list(globals().items()) if name.startswith("check_")]
