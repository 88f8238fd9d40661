import pytest

from hsuanwu.ops import returns
from tests.ops.mutants import Mutant, catching_checks, load
from tests.ops.returns_checks import CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_returns(check):
    check(returns)


def test_a_fresh_copy_of_the_source_passes_too():
    ops = load()
    for check in CHECKS:
        check(ops)


RETURNS = "returns = torch.addcmul(rows.rewards, rows.discounts, rows.next_values)\n"
MIXTURE = "torch.where(rows.links, rows.discounts - carried, rows.discounts)"

MUTANTS = [
    Mutant("GAE without lambda", "returns", "rows.discounts * lambda_, rows.links", "rows.discounts, rows.links"),
    Mutant(
        "GAE without discount", "returns", "rows.discounts * lambda_, rows.links", "rows.links * lambda_, rows.links"
    ),
    Mutant("GAE without value", "returns", ".sub_(zero_invalid(values.float(), mask))", ""),
    Mutant("GAE with values of invalid rows", "returns", "zero_invalid(values.float(), mask)", "values.float()"),
    Mutant("lambda-return without mixture", "returns", MIXTURE, "rows.discounts * ~rows.links"),
    Mutant("lambda-return with whole bootstraps", "returns", MIXTURE, "rows.discounts"),
    Mutant("lambda-return loses the last bootstrap", "returns", MIXTURE, "rows.discounts - carried"),
    Mutant(
        "lambda-return carries without lambda", "returns", "next_values), carried,", "next_values), rows.discounts,"
    ),
    Mutant(
        "values inside poison the discounted return",
        "returns",
        "torch.where(bootstrapped != 0.0, rows.next_values, 0.0)",
        "rows.next_values",
    ),
    Mutant(
        "discounted return with lambda",
        "returns",
        "cuts=cuts, mask=mask, lambda_=1.0)",
        "cuts=cuts, mask=mask, lambda_=0.9)",
    ),
    Mutant(
        "discounted return without cuts", "returns", "cuts=cuts, mask=mask, lambda_=1.0)", "mask=mask, lambda_=1.0)"
    ),
    Mutant(
        "discounted return without mask", "returns", "cuts=cuts, mask=mask, lambda_=1.0)", "cuts=cuts, lambda_=1.0)"
    ),
    Mutant("one step too many", "returns", "returns.shape[0]) - 1)", "returns.shape[0]))"),
    Mutant("one step too few", "returns", "returns.shape[0]) - 1)", "returns.shape[0]) - 2)"),
    Mutant(
        "n-step across cuts",
        "returns",
        "carried = following(returns, rows.next_values, rows.links)",
        "carried = following(returns, rows.next_values, rows.links | True)",
    ),
    Mutant("n-step without discount", "returns", "rows.discounts, carried)", "rows.links, carried)"),
    Mutant("n is not checked", "returns", "if n < 1:", "if False:"),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_caught(mutant):
    assert catching_checks(mutant, CHECKS), "no check saw it"
