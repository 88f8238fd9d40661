"""What --help says of each key."""

import pytest

from hsuanwu.common.registry import KINDS, options
from hsuanwu.engine.config import RUN_KEYS, wiring_names
from hsuanwu.engine.help import help_text, meanings_of
from hsuanwu.engine.signatures import constructor_parameters


def paragraphs(*overrides):
    """Return the help as one line for each key."""
    return help_text(overrides).replace("\n    ", " ").splitlines()


def test_every_key_is_explained():
    lines = paragraphs()
    for key in RUN_KEYS:
        (line,) = (x for x in lines if x.startswith(f"{key}="))
        assert len(line.partition(")  ")[2]) > 10, line
    for kind in KINDS:
        for cls in options(kind).values():
            keys = constructor_parameters(cls).keys() - wiring_names(cls, kind)
            assert not keys - meanings_of(cls).keys(), cls


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ([], "total_steps=500000  (whole number)  environment steps; frames are not multiplied"),
        (
            ["total_steps=7"],
            "total_steps=7  (whole number; default: 500000)  environment steps; frames are not multiplied",
        ),
        (
            [],
            "resume=false  (true or false or auto)  true: go on with the run in run_dir; auto: go on if there is one, ",
        ),
        ([], "learner.lr=0.0006  (number)  learning rate at the start."),
        (["learner.lr=1"], "learner.lr=1.0  (number; default: 0.0006)  learning rate at the start."),
        (["encoder=mlp"], "encoder.hidden_dims=[64]  (list"),
        (
            ["env=gymnasium"],
            'env.id=???  (text; has to be given)  "CartPole-v1"; with a module that registers it, "my_module:MyEnv-v0"',
        ),
        ([], "encoder=null  (chosen to fit, or none; encoder=NAME --help shows the keys of one)"),
        ([], "encoder: combined, espeholt_residual, identity, minatar_cnn, mlp, mnih_cnn"),
    ],
)
def test_a_key_is_shown_with_its_value_its_type_its_default_and_its_meaning(overrides, line):
    assert any(x.startswith(line) for x in paragraphs(*overrides)), line


class Undocumented:
    def __init__(self, x=1):
        self.x = x


class Documented:
    """Does something.

    Args:
        x: one thing, ``"a"`` say,
            over two lines: with a colon.
        y: another.

    Raises:
        z: nothing.
    """


def test_meanings_are_those_of_the_docstring():
    assert meanings_of(Undocumented) == {}
    assert meanings_of(Documented) == {"x": 'one thing, "a" say, over two lines: with a colon.', "y": "another."}
