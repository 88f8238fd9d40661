"""The checks of V-trace are worth what they catch: every line below breaks the maths once, and must be seen."""

import pytest

from tests.ops.mutants import Mutant, catching_checks, source
from tests.ops.vtrace_checks import CHECKS

DELTAS = "deltas = torch.addcmul(rows.rewards, rows.discounts, rows.next_values).sub_(valid_values)"
ERRORS = "errors = torch.addcmul(rows.rewards, rows.discounts, next_targets).sub_(valid_values)"
WEIGHTS = "weights = clipped(ratios, clip_c) * rows.discounts * lambda_"
NEXT_TARGETS = "next_targets = following(targets, rows.next_values, rows.links)"
BELOW = "below = weights[: num_rows - reach] * x[reach:]"
LIMIT = "log_rhos.clamp(max=_MAX_LOG_RHO).exp_()"

MUTANTS = [
    Mutant("rho is not clipped", "vtrace", "deltas *= clipped(ratios, clip_rho)", "deltas *= ratios"),
    Mutant("rho is forgotten", "vtrace", "deltas *= clipped(ratios, clip_rho)", "pass"),
    Mutant("clip_c instead of clip_rho", "vtrace", "clipped(ratios, clip_rho)", "clipped(ratios, clip_c)"),
    Mutant("clip_rho instead of clip_c", "vtrace", "clipped(ratios, clip_c)", "clipped(ratios, clip_rho)"),
    Mutant("clip_rho instead of clip_pg_rho", "vtrace", "clipped(ratios, clip_pg_rho)", "clipped(ratios, clip_rho)"),
    Mutant("c is not clipped", "vtrace", "clipped(ratios, clip_c)", "ratios"),
    Mutant("pg ratio is not clipped", "vtrace", "clipped(ratios, clip_pg_rho)", "ratios"),
    Mutant("pg ratio is forgotten", "vtrace", "errors * clipped(ratios, clip_pg_rho)", "errors"),
    Mutant("clip from below", "vtrace", "ratios.clamp(max=clip)", "ratios.clamp(min=clip)"),
    Mutant("ratio upside down", "vtrace", LIMIT, "log_rhos.neg().clamp(max=_MAX_LOG_RHO).exp_()"),
    Mutant("ratio without exponential", "vtrace", LIMIT, "log_rhos.clamp(max=_MAX_LOG_RHO)"),
    Mutant("ratio may be infinite", "vtrace", LIMIT, "log_rhos.exp()"),
    Mutant("no discount in the trace", "vtrace", WEIGHTS, "weights = clipped(ratios, clip_c) * lambda_"),
    Mutant("no lambda in the trace", "vtrace", WEIGHTS, "weights = clipped(ratios, clip_c) * rows.discounts"),
    Mutant("no c in the trace", "vtrace", WEIGHTS, "weights = rows.discounts * lambda_"),
    Mutant("lambda in rho too", "vtrace", "deltas *= clipped", "deltas *= lambda_ * clipped"),
    Mutant("no discount in delta", "vtrace", DELTAS, DELTAS.replace("rows.discounts", "rows.discounts.sign()")),
    Mutant("no bootstrap in delta", "vtrace", DELTAS, DELTAS.replace("rows.next_values", "valid_values")),
    Mutant("no value in delta", "vtrace", DELTAS, DELTAS.replace(".sub_(valid_values)", "")),
    Mutant("no rewards in delta", "vtrace", DELTAS, DELTAS.replace("rows.rewards", "rows.rewards * 0")),
    Mutant("no discount in the advantage", "vtrace", ERRORS, ERRORS.replace("rows.discounts", "rows.links")),
    Mutant("target instead of value in the advantage", "vtrace", ERRORS, ERRORS.replace("valid_values", "targets")),
    Mutant("next value instead of v_{s+1}", "vtrace", NEXT_TARGETS, "next_targets = rows.next_values"),
    Mutant("v_s instead of v_{s+1}", "vtrace", "following(targets,", "following(targets.roll(1, 0),"),
    Mutant("v_{s+1} across cuts", "vtrace", NEXT_TARGETS, NEXT_TARGETS.replace("rows.links", "rows.links | True")),
    Mutant("errors instead of targets", "vtrace", "targets = values + accumulate", "targets = accumulate"),
    Mutant("values of invalid rows", "vtrace", "valid_values = zero_invalid(values, mask)", "valid_values = values"),
    Mutant("targets of invalid rows are 0", "vtrace", "targets = values +", "targets = valid_values +"),
    Mutant(
        "ratios of invalid rows", "vtrace", "zero_invalid(importance_ratios(", "(lambda x, mask: x)(importance_ratios("
    ),
    Mutant("gradient leaks", "vtrace", "@torch.no_grad()\n", ""),
    Mutant("no check of lambda", "vtrace", "    check_lambda(lambda_)\n", ""),
    Mutant("no check of bounds", "vtrace", "        check_clip(name, clip)\n", "        pass\n"),
    Mutant("NaN is a bound", "vtrace", "not clip >= 0.0", "clip < 0.0"),
    Mutant("NaN is a lambda", "rows", "not 0.0 <= lambda_ <= 1.0", "lambda_ < 0.0 or lambda_ > 1.0"),
    Mutant("float64 leaks from values", "vtrace", "values = values.float()", "pass"),
    Mutant("float64 leaks from rewards", "rows", "rewards.float()", "rewards"),
    Mutant("float64 leaks from ratios", "vtrace", "log_rhos.float()", "log_rhos"),
    Mutant("cuts are ignored", "rows", "goes_on & ~cuts", "goes_on"),
    Mutant("cuts upside down", "rows", "goes_on & ~cuts", "goes_on & cuts"),
    Mutant(
        "a cut kills the bootstrap",
        "rows",
        "goes_on = discounts != 0.0",
        "goes_on = discounts != 0.0 if cuts is None else (discounts != 0.0) & ~cuts",
    ),
    Mutant("the row after a cut is cut", "rows", "goes_on & ~cuts", "goes_on & ~cuts.roll(1, 0)"),
    Mutant("a discount of 0 hides nothing", "rows", "goes_on = discounts != 0.0", "goes_on = discounts == discounts"),
    Mutant("a discount of 0 does not cut", "rows", "links = goes_on if", "links = goes_on | True if"),
    Mutant("the mask cuts nothing", "rows", "links[:-1] &= mask[1:]", "pass"),
    Mutant("the mask cuts a row too late", "rows", "links[:-1] &= mask[1:]", "links &= mask"),
    Mutant("zero times instead of where", "rows", "torch.where(mask, x, 0.0)", "x * mask"),
    Mutant("the mask is ignored", "rows", "x if mask is None else torch.where(mask, x, 0.0)", "x"),
    Mutant("discounts of invalid rows", "rows", "zero_invalid(discounts.float(), mask)", "discounts.float()"),
    Mutant("rewards of invalid rows", "rows", "zero_invalid(rewards.float(), mask)", "rewards.float()"),
    Mutant(
        "zero times in next values",
        "rows",
        "torch.where(goes_on, next_values.float(), 0.0)",
        "next_values * goes_on",
    ),
    Mutant(
        "links times in the sum",
        "rows",
        "torch.where(links[: num_rows - reach], below, zero)",
        "below * links[: num_rows - reach]",
    ),
    Mutant("links ignored in the sum", "rows", "torch.where(links[: num_rows - reach], below, zero)", "below"),
    Mutant("links not carried on", "rows", "links[:-reach] & links[reach:]", "links[:-reach]"),
    Mutant("weights not carried on", "rows", "(weights[:-reach] * weights[reach:])", "weights[:-reach]"),
    Mutant("infinite weights", "rows", ".clamp_(max=_LARGEST)", ""),
    Mutant("weight of the row below", "rows", BELOW, "below = weights.roll(-1, 0)[: num_rows - reach] * x[reach:]"),
    Mutant("the sum stops early", "rows", "while reach < num_rows:", "while reach < num_rows - 1:"),
    Mutant("the sum reaches one row", "rows", "reach *= 2", "break"),
    Mutant(
        "v_{s+1} ignores links",
        "rows",
        "torch.where(links[:-1], x[1:], next_x[:-1], out=result[:-1])",
        "result[:-1] = x[1:]",
    ),
    Mutant(
        "next values overwritten",
        "rows",
        "torch.where(goes_on, next_values.float(), 0.0)",
        "next_values.float().mul_(goes_on)",
    ),
    Mutant("shapes unchecked", "rows", "if x.shape != first.shape:", "if False:"),
    Mutant("ranks unchecked", "rows", "if x.dim() != 2 or x.numel() == 0:", "if False:"),
    Mutant("devices unchecked", "rows", "if x.device != first.device:", "if False:"),
    Mutant("flags unchecked", "rows", "if name in flags and x.dtype != torch.bool:", "if False:"),
    Mutant("number types unchecked", "rows", "if name not in flags and not x.is_floating_point():", "if False:"),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_caught(mutant):
    assert source(mutant.module).count(mutant.before) == 1, "the text to alter is not in the source, or not unique"
    assert mutant.after != mutant.before
    assert catching_checks(mutant, CHECKS), "no check saw it"


def test_names_are_unique():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 10
