"""The entropy coefficient along a run."""

import pytest

from hsuanwu.common.errors import ConfigurationError
from tests.xploit.learner.cases import make


@pytest.mark.parametrize(
    ("name", "expected"), [("constant", [0.4, 0.4, 0.4]), ("linear", [0.4, 0.3, 0.0]), ("cosine", [0.4, 0.341421, 0])]
)
def test_scheduled(name, expected):
    learner = make(ent_coef_schedule=name)
    cfgs = {"learner": {"ent_coef": 0.4, "discount": 0.9}, "seed": 1}
    found = [learner.scheduled(cfgs, fraction) for fraction in (0.0, 0.25, 1.0)]
    assert [x["learner"]["ent_coef"] for x in found] == pytest.approx(expected, abs=1e-6)
    assert all(x["learner"]["discount"] == 0.9 and x["seed"] == 1 for x in found)
    assert cfgs["learner"]["ent_coef"] == 0.4, "what was given is not changed"


def test_default_coefficient():
    assert make(ent_coef_schedule="linear").scheduled({"learner": {}}, 0.5)["learner"]["ent_coef"] == 0.005


def test_unknown():
    with pytest.raises(ConfigurationError, match=r"learner\.ent_coef_schedule: found 'step'"):
        make(ent_coef_schedule="step")
