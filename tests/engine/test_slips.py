"""What people type who come from elsewhere is taken, or answered with what it is called here."""

import pytest

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.engine.config import register_groups
from hsuanwu.engine.hydra_errors import explain_run_key
from hsuanwu.engine.slips import OTHER_WORDS, checked


@pytest.fixture(autouse=True, scope="module")
def groups():
    register_groups()


TAKEN = [
    (["total_steps=1e6"], ["total_steps=1000000"]),
    (["total_steps=2.5e5"], ["total_steps=250000"]),
    (["batch_size=1e1,2e1"], ["batch_size=10,20"]),
    (["num_actors=1e1"], ["num_actors=10"]),
    (["learner.lr=1e-3"], ["learner.lr=1e-3"]),
    (["run_dir=1e6"], ["run_dir=1e6"]),
    (["total_steps=1e-3"], ["total_steps=1e-3"]),
    (["-m", "seed=1,2"], ["-m", "seed=1,2"]),
    (["--cfg", "job"], ["--cfg", "job"]),
    (["--config-dir", "conf", "env=mine"], ["--config-dir", "conf", "env=mine"]),
    (["--config-dir=conf", "env=mine"], ["--config-dir=conf", "env=mine"]),
    (["~encoder"], ["~encoder"]),
    (["+env.kwargs.x=1"], ["+env.kwargs.x=1"]),
    (["encoder={_target_: my.Encoder}"], ["encoder={_target_: my.Encoder}"]),
    (["encoder=mlp,mnih_cnn", "-m"], ["encoder=mlp,mnih_cnn", "-m"]),
    (["env@env=cartpole"], ["env@env=cartpole"]),
    (["resume=[1", "seed=2"], ["resume=[1", "seed=2"]),
    (["env.wrappers=[{path: my.Wrapper}]"], ["env.wrappers=[{path: my.Wrapper}]"]),
]


@pytest.mark.parametrize(("arguments", "expected"), TAKEN, ids=str)
def test_what_is_meant_beyond_doubt_is_taken(arguments, expected):
    assert checked(arguments) == expected


REFUSED = [
    (["--seed", "2"], "--seed: write seed=2, without dashes"),
    (["--seed=2"], "--seed=2: write seed=2, without dashes"),
    (["-learner.eps", "0.1"], "-learner.eps: write learner.eps=0.1, without dashes"),
    (["--experiment", "impala_cartpole"], "--experiment: write experiment=impala_cartpole, without dashes"),
    (["--total-steps", "5"], "--total-steps: write total_steps=5, without dashes"),
    (["--verbose"], "--verbose: write verbose=VALUE, without dashes"),
    (["learner.lr", "1e-3"], "learner.lr: write learner.lr=1e-3, without spaces"),
    (["experiment", "=", "x"], "experiment: write experiment=x, without spaces"),
    (["config.yaml"], "config.yaml: write key=value, without spaces"),
    (["my_module:MyEnv-v0"], "my_module:MyEnv-v0: write env=gymnasium env.id=my_module:MyEnv-v0"),
    (
        ["env.wrappers=[{path:", "my.Wrapper,", "kwargs:", "{x:", "0.1}}]", "seed=1"],
        "env.wrappers: has blanks; quote it: 'env.wrappers=[{path: my.Wrapper, kwargs: {x: 0.1}}]'",
    ),
    (["encoder.hidden_dims=[64,", "64]"], "encoder.hidden_dims: has blanks; quote it: 'encoder.hidden_dims=[64, 64]'"),
    (["checkpoint_interval=???"], "checkpoint_interval: found ???; write a value"),
    (["learner=1"], "learner: found 1; choose learner=<one of impala"),
    (["transport=true"], "transport: found true; choose transport=<one of "),
    (["policy=-1.5"], "policy: found -1.5; choose policy=<one of "),
    (["policy=[{}]"], "policy: found [{}]; choose policy=<one of "),
    (["learner=[null]"], "learner: found [null]; choose "),
    (["storage=null"], "storage: found null; ~storage leaves out"),
    (["experiment=3"], "experiment: found 3; use the name of a recipe"),
]


@pytest.mark.parametrize(("arguments", "line"), REFUSED, ids=str)
def test_what_is_not_is_one_line_that_shows_what_to_write(arguments, line):
    with pytest.raises(ConfigurationError) as caught:
        checked(arguments)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


@pytest.mark.parametrize("word", OTHER_WORDS)
def test_words_of_other_libraries_are_answered_with_ours(word):
    assert f"did you mean '{OTHER_WORDS[word]}'? " in explain_run_key(word)


@pytest.mark.parametrize("word", ["foo", "zzz"])
def test_where_nothing_is_near_nothing_is_suggested(word):
    assert "did you mean" not in explain_run_key(word)
