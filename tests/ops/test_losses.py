import pytest

from hsuanwu.ops import losses
from tests.ops.losses_checks import CHECKS
from tests.ops.mutants import Mutant, catching_checks, load


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_losses(check):
    check(losses)


def test_a_fresh_copy_of_the_source_passes_too():
    ops = load()
    for check in CHECKS:
        check(ops)


RATIOS = "importance_ratios(_at_least_float32(log_rhos, mask))"

MUTANTS = [
    Mutant("sign of the policy gradient", "losses", "-log_probs * advantages", "log_probs * advantages"),
    Mutant("gradient into advantages", "losses", "advantages.detach()", "advantages"),
    Mutant("gradient into targets", "losses", "targets.detach()", "targets"),
    Mutant("no half", "losses", "0.5 * errors.square()", "errors.square()"),
    Mutant("absolute errors", "losses", "errors.square()", "errors.abs()"),
    Mutant(
        "sign of the entropy", "losses", "-_at_least_float32(entropies, mask)", "_at_least_float32(entropies, mask)"
    ),
    Mutant("mask forgotten at the door", "losses", "return zero_invalid(x, mask)", "return x"),
    Mutant(
        "zero times at the door", "losses", "return zero_invalid(x, mask)", "return x if mask is None else x * mask"
    ),
    Mutant("half sums", "losses", "x.float() if x.dtype in (torch.float16, torch.bfloat16) else x", "x"),
    Mutant("always float32", "losses", "x.float() if x.dtype in (torch.float16, torch.bfloat16) else x", "x.float()"),
    Mutant("mean over all rows", "losses", "x.sum() / mask.sum().clamp(min=1)", "x.mean()"),
    Mutant("mean over no rows", "losses", "mask.sum().clamp(min=1)", "mask.sum()"),
    Mutant(
        "mean for sum",
        "losses",
        'if reduction == "sum":\n        return x.sum()',
        'if reduction == "sum":\n        return x.mean()',
    ),
    Mutant("no error for a wrong reduction", "losses", 'if reduction == "mean":', "if True:"),
    Mutant("variance about 0", "losses", '(x - _reduce(x, mask, "mean"), mask)', "(x, mask)"),
    Mutant(
        "variance of invalid rows",
        "losses",
        'zero_invalid(x - _reduce(x, mask, "mean"), mask)',
        '(x - _reduce(x, mask, "mean"))',
    ),
    Mutant("unexplained by values", "losses", "_variance(targets - values, mask)", "_variance(values, mask)"),
    Mutant("nothing to explain", "losses", "total == 0.0", "total < 0.0"),
    Mutant("rows below the bound", "losses", "ratios > bound", "ratios < bound"),
    Mutant("rows at the bound", "losses", "ratios > bound * (1.0 + _ROUNDING)", "ratios >= bound"),
    Mutant("ratios of invalid rows", "losses", f"zero_invalid({RATIOS}, mask)", RATIOS),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_caught(mutant):
    assert catching_checks(mutant, CHECKS), "no check saw it"
