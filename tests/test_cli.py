"""The command line, run as users run it but in this process: good runs, and one line for each mistake."""

import gc
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl

from hsuanwu import cli
from hsuanwu.command import run_command
from hsuanwu.runtime import fork_server
from tests.waiting import PATIENCE

SMALL = [
    "transport=local",
    "total_steps=1200",
    "num_actors=1",
    "envs_per_actor=4",
    "batch_size=4",
    "feature_dim=8",
    "eval_episodes=2",
]


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Return a function that runs a command in an empty folder: (exit status, stdout, stderr)."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.chdir(tmp_path)

    def run(function, *arguments):
        monkeypatch.setattr(sys, "argv", ["hsuanwu", *arguments])
        try:
            function()
            status = 0
        except SystemExit as stop:
            status = stop.code or 0
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_train_evaluate_and_plot(command, tmp_path):
    status, out, _ = command(cli.train, *SMALL)
    assert status == 0
    assert "Mean return over 2 evaluation episodes" in out and "steps/s" in out and "took turns" in out
    run_dir = out.split("Run folder: ")[1].strip()
    assert (Path(run_dir) / "learning_curve.png").stat().st_size > 1000
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}, "nothing is littered around"

    status, out, _ = command(cli.evaluate, run_dir, "--episodes", "5", "--json")
    assert status == 0
    result = json.loads(out)
    assert result["episodes"] == 5
    for key in ("episode_return", "episode_length"):
        assert set(result[key]) == {"mean", "std", "min", "max"}
    assert command(cli.evaluate, run_dir, "--episodes", "5", "--json")[1] == out, "one seed gives one answer"
    assert "length: mean" in command(cli.evaluate, run_dir, "--episodes", "2", "--stochastic")[1]

    assert command(cli.plot, run_dir, "-o", "curve.png")[0] == 0
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_multirun_gives_each_job_its_folder(command, tmp_path):
    status, _, err = command(cli.train, "-m", "seed=1,2", "run_dir=sweep", *SMALL)
    assert status == 0, err
    assert (tmp_path / "sweep/0/metrics.jsonl").exists() and (tmp_path / "sweep/1/metrics.jsonl").exists()
    assert command(cli.plot, "sweep/0", "sweep/1", "-o", "both.png")[0] == 0


def test_multirun_without_run_dir(command, tmp_path):
    assert command(cli.train, *SMALL, "-m", "seed=1,2")[0] == 0, "after the overrides as well as before"
    assert len(list(tmp_path.glob("runs/CartPole-v1/*/metrics.jsonl"))) == 2


BAD = {
    "learner.clip_roh=2": ["learner.clip_roh", "'learner.clip_rho'"],
    "learner.lr=fast": ["learner.lr", "'fast'", "a number"],
    "learner.lr=-1": ["learner.lr", "-1", "above 0"],
    "learner.lr=inf": ["learner.lr", "inf", "finite"],
    "learner.lr=null": ["learner.lr", "null", "default"],
    "learner.use_lstm=maybe": ["learner.use_lstm", "'maybe'", "true or false"],
    "learner.use_lstm=true policy=feed_forward": ["learner.use_lstm", "FeedForwardPolicy", "no recurrent state"],
    "+learner.discuont=0.9": ["learner.discuont", "unknown key", "'learner.discount'"],
    "+totl_steps=3": ["totl_steps", "'total_steps'"],
    "encoder=null": ["encoder: ", "null", "~encoder"],
    "lr=0.1": ["lr: unknown key", "'learner.lr'"],
    "env.kwargs=3": ["env.kwargs", "int", "a mapping"],
    "total_steps=1.5": ["total_steps", "whole number"],
    "stagger_steps=20": ["stagger_steps", "20", "env.native_vector=false"],
    "learner.discount=2": ["learner.discount", "2.0", "[0, 1]"],
    "learner=impalla": ["learner", "'impalla'", "impala"],
    "learner._target_=os.system": ["learner._target_", "os.system"],
    "learner._target_=their.Learner": ["learner._target_", "'their'"],
    "learner.optimizer=Foo": ["learner.optimizer", "'Foo'"],
    "totl_steps=3": ["totl_steps", "'total_steps'"],
    "total_steps=many": ["total_steps", "'many'", "whole number"],
    "total_steps=0": ["total_steps", "0", "1 or more"],
    "seed=-1": ["seed", "-1", "0 or more"],
    "experiment=nope": ["experiment", "'nope'", "impala_cartpole"],
    "transport=pigeon": ["transport", "'pigeon'", "process"],
    "env=gymnasium": ["env.id", "missing"],
    "env=gymnasium env.id=Nope-v0": ["env.id", "Nope"],
    "env=gymnasium env.id=no_module:Nope-v0": ["env.id", "no_module"],
    "env=dm_env env.factory=no_module.make": ["env.factory", "no_module"],
    "env=atari env.game=pongg": ["env.game", "'pongg'", "'pong'"],
    "env.kwargs.size=1": ["env.kwargs", "size"],
    "device=cuda:7": ["device", "'cuda:7'", "cpu"],
    "encoder=mnih_cnn": ["encoder", "36 x 36", "(4,)"],
    "encoder.hidden_dims=[3]": ["encoder.hidden_dims", "encoder=mlp"],
    "encoder=mlp encoder.hidden_dims=[[1]]": ["encoder.hidden_dims[0]", "[1]", "a single value"],
    "encoder=mlp encoder.hidden_dims=[8,{a:1}]": ["encoder.hidden_dims[1]", "a single value"],
    "encoder=mlp encoder.hidden_dims=[null]": ["encoder.hidden_dims[0]", "null", "a whole number"],
    "encoder=mlp encoder.hidden_dims=32": ["encoder.hidden_dims", "int", "a list"],
    "encoder._target_=my.Encoder": ["encoder._target_", "encoder={_target_"],
    "encoder={_target_:hsuanwu.xploit.encoder.MlpEncoder,widht:3}": ["encoder", "MlpEncoder", "widht"],
    "encoder={_target_:hsuanwu.xploit.encoder.MlpEncoder,hidden_dims:[a]}": ["encoder", "MlpEncoder"],
    "env=gymnasium env.id=null": ["env.id", "found null", "write a value"],
    "learner.lr_schedule=triangle": ["learner.lr_schedule", "'triangle'", "linear"],
    "env=gymnasium env.id=CartPole-v1 env.wrappers=my.Wrapper": ["env.wrappers", "my.Wrapper", "a list"],
    "distribution=diagonal_gaussian": ["distribution", "Box"],
    "augmentation=random_shift": ["augmentation", "random_shift"],
    "batch_size=33": ["batch_size", "33", "multiple of 4"],
    "batch_size=4000 num_actors=2 envs_per_actor=4 storage.slots_per_actor=2": ["batch_size", "4000", "fill"],
    "storage.slots_per_actor=0": ["storage.slots_per_actor", "0"],
    "transport=process transport.timeout_seconds=0": ["transport.timeout_seconds", "0"],
    "resume=true": ["resume", "run_dir=null"],
    "num_actors=1.5": ["num_actors: found '1.5'", "whole number", "auto"],
    "learner_threads=[1]": ["learner_threads: found '[1]'", "whole number", "auto"],
    "overlap=3": ["overlap: found '3'", "true, false or auto"],
    "run_dir=[1]": ["run_dir: found '[1]'"],
    "a b": ["a"],
}


@pytest.mark.parametrize("overrides", BAD)
def test_a_mistake_is_one_line_and_status_2(command, tmp_path, overrides):
    status, out, err = command(cli.train, *SMALL, *overrides.split())
    assert status == 2
    assert err.startswith("error: ") and err.count("\n") == 1, err
    assert "Traceback" not in out + err
    for word in BAD[overrides]:
        assert word in err, err
    assert not list(tmp_path.iterdir()), "a refused run leaves nothing behind"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seed = 3", "error: seed: write seed=3, without spaces\n"),
        ("learner.lr =3e-3", "error: learner.lr: write learner.lr=3e-3, without spaces\n"),
    ],
)
def test_spaces_around_the_sign_are_told(command, override, said):
    assert command(cli.train, *SMALL, override)[::2] == (2, said)


def test_an_evaluation_in_which_no_episode_ends_is_no_success(command):
    task = ["env=gymnasium", "env.id=tests.engine.two_entries:TwoEntries-v0", "env.kwargs.length=0"]
    assert command(cli.train, *SMALL, *task, "run_dir=r", "eval_episodes=1")[0] == 0
    for flag in ([], ["--json"]):
        status, out, err = command(cli.evaluate, "r", "--episodes", "2", *flag)
        assert status == 1 and "error: no evaluation episode has ended, so that there are no returns" in err
        assert json.loads(out)["episodes"] == 0 if flag else "episodes: 0" in out


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            "env=gymnasium env.id=tests.engine.fails:CannotBeBuilt-v0",
            ["KeyError: 'no such room'", "fails.py", "line 13"],
        ),
        ("env=dm_env env.factory=tests.engine.fails.make", ["OSError: no such disk", "fails.py", "line 18"]),
        (
            "env=dm_env env.factory=my_broken_module.make",
            ["env.factory: importing my_broken_module raised NameError", "line 3"],
        ),
        ("env=dm_env env.factory=my_script.make", ["env.factory: importing my_script raised SystemExit: 0", "line 1"]),
    ],
)
def test_code_of_the_users_that_fails_is_a_line_and_its_traceback(command, tmp_path, overrides, words):
    (tmp_path / "my_broken_module.py").write_text("import sys\n\nmake = nothing_of_that_name\n")
    (tmp_path / "my_script.py").write_text("raise SystemExit(0)\n")
    status, _, err = command(cli.train, *SMALL, *overrides.split())
    line, *trace = err.splitlines()
    assert status == 1 and line.startswith("error: ") and trace[0] == "Traceback (most recent call last):"
    assert all(word in err for word in words) and "hsuanwu/" not in err.replace("hsuanwu/tests", ""), err


def test_an_environment_is_examined(command):
    status, out, err = command(cli.check, "env=pendulum")
    assert status == 0 and not err
    assert "right     answers" in out and "Use learner.normalize_reward=true." in out and "Encoder: mlp" in out
    status, out, _ = command(cli.check, "env=gymnasium", "env.id=tests.env.wrong:Wrong-v0", "env.kwargs.what=flag_one")
    assert status == 1 and "wrong     answers" in out and "step 2: terminated is int 1" in out
    status, _, err = command(cli.check, "env=gymnasium")
    assert status == 2 and err.startswith("error: env.id: missing")


def test_a_missing_extra_is_named(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "ale_py", None)
    status, _, err = command(cli.train, *SMALL, "env=atari", "env.game=pong")
    assert status == 2 and "hsuanwu[atari]" in err and err.count("\n") == 1
    for name in [name for name in sys.modules if name.startswith("gymnasium.envs.box2d")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "Box2D", None)
    status, _, err = command(cli.train, *SMALL, "env=gymnasium", "env.id=LunarLander-v3")
    assert status == 2 and "hsuanwu[box2d]" in err and err.count("\n") == 1


def test_a_folder_that_holds_another_run_is_refused(command):
    assert command(cli.train, *SMALL, "run_dir=here")[0] == 0
    before = Path("here/metrics.jsonl").read_bytes()
    status, _, err = command(cli.train, *SMALL, "run_dir=here")
    assert status == 2 and "run_dir" in err and "resume=true" in err
    assert Path("here/metrics.jsonl").read_bytes() == before
    status, out, _ = command(cli.train, *SMALL, "run_dir=here", "resume=true", "total_steps=2400")
    assert status == 0 and re.search(r"Trained 1,[12]\d\d steps more, 2,4\d\d in all, in .* 1[56] updates", out)
    assert re.search(r"^Training in here, from step 1,2\d\d on$", out, re.MULTILINE)
    status, out, _ = command(cli.train, *SMALL, "run_dir=here", "resume=true", "total_steps=2400")
    assert status == 0 and "Nothing was left to train: total_steps=2,400, and 2,4" in out and "cores" not in out
    assert "Mean return" in out


@pytest.mark.parametrize("arguments", [["nowhere"], ["."], [".", "--episodes", "0"], [".", "--seed", "-1"]])
def test_evaluate_refuses(command, arguments):
    status, _, err = command(cli.evaluate, *arguments)
    assert status == 2 and err.startswith("error: ") and err.count("\n") == 1


def test_a_finished_run_is_not_cut_short(command):
    assert command(cli.train, *SMALL, "run_dir=here")[0] == 0
    before = Path("here/config.yaml").read_bytes()
    status, _, err = command(cli.train, "run_dir=here", "resume=true", "total_steps=100")
    assert status == 2 and err.startswith("error: total_steps: found 100, but 1") and err.count("\n") == 1
    assert Path("here/config.yaml").read_bytes() == before


def test_evaluate_needs_a_checkpoint(command):
    assert command(cli.train, *SMALL, "run_dir=here")[0] == 0
    shutil.rmtree("here/checkpoints")
    status, _, err = command(cli.evaluate, "here")
    assert status == 2 and "no checkpoint" in err


def test_plot_refuses_a_folder_without_metrics(command):
    status, _, err = command(cli.plot, "nowhere")
    assert status == 2 and "nowhere" in err and err.count("\n") == 1


def test_resume_keeps_the_settings_of_the_run(command):
    settings = [*SMALL, "learner.lr=0.005", "encoder=mlp", "encoder.hidden_dims=[5]"]
    assert command(cli.train, *settings, "run_dir=here")[0] == 0
    status, out, err = command(cli.train, "run_dir=here", "resume=true", "total_steps=2400", "learner.ent_coef=0.5")
    assert status == 0 and "steps more, 2,4" in out, err
    saved = yaml.safe_load(Path("here/config.yaml").read_text())
    assert saved["learner"]["lr"] == 0.005 and saved["learner"]["ent_coef"] == 0.5
    assert saved["encoder"]["hidden_dims"] == [5] and saved["envs_per_actor"] == 4
    assert saved["resume"] is False, "a run that was resumed is repeated from its config.yaml, too"
    assert command(cli.train, "run_dir=here", "resume=true", "total_steps=3600", "learner.lr=0.001")[0] == 0
    lines = [json.loads(line) for line in Path("here/metrics.jsonl").read_text().splitlines()]
    rates = [line["learning_rate"] for line in lines if "learning_rate" in line]
    assert max(rates[-3:]) < 0.001, "the schedule goes on from the learning rate that was asked for"


def test_resume_keeps_an_environment_that_is_only_named(command):
    task = ["env=dm_env", "env.factory=hsuanwu.env.probes:make_counter_dm_env", "env.kwargs.lengths=[7, 8]"]
    status, _, err = command(cli.train, *SMALL, *task, "run_dir=here")
    assert status == 0, err
    named = ["env=dm_env", "learner=impala", "learner.lr=0.001"]
    status, _, err = command(cli.train, "run_dir=here", "resume=true", "total_steps=2400", *named)
    assert status == 0, err
    saved = yaml.safe_load(Path("here/config.yaml").read_text())
    assert saved["env"]["kwargs"] == {"lengths": [7, 8]} and saved["learner"]["lr"] == 0.001


def test_resume_may_stand_in_a_file(command, tmp_path):
    assert command(cli.train, *SMALL, "run_dir=here")[0] == 0
    (tmp_path / "conf/experiment").mkdir(parents=True)
    lines = "# @package _global_", "run_dir: here", "resume: true"
    (tmp_path / "conf/experiment/more.yaml").write_text("\n".join(lines))
    status, out, err = command(cli.train, "--config-dir", f"{tmp_path}/conf", "experiment=more", "total_steps=2400")
    assert status == 0 and "steps more, 2,4" in out, err


LOADED = """
import json, sys
sys.argv = ["hsuanwu-train", *sys.argv[1:]]
from hsuanwu import cli
light = sorted(sys.modules)
try:
    cli.train()
finally:
    print(json.dumps([light, sorted(sys.modules)]), file=sys.stderr)
"""


def loaded(tmp_path, *arguments):
    """Return the modules that are there once the command can start, and when it ends."""
    command = [sys.executable, "-c", LOADED, *arguments]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    return [set(modules) for modules in json.loads(result.stderr.splitlines()[-1])]


def test_help_imports_nothing_that_only_training_needs(tmp_path):
    light, heavy = loaded(tmp_path, "--help")
    assert not {"torch", "numpy", "hydra"} & light
    assert "torch" in heavy
    assert not {"matplotlib", "tensorboardX", "torch._dynamo"} & heavy


def test_training_does_not_import_the_compiler(tmp_path):
    _, heavy = loaded(tmp_path, *SMALL)
    assert {"matplotlib", "tensorboardX"} <= heavy
    assert "torch._dynamo" not in heavy


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_wait_until_imports_are_over(command, number):
    """Libraries catch what a signal raises while they are imported, and go on with half of what they need."""
    reached, handler = [], signal.getsignal(signal.SIGTERM)

    def interrupted():
        with cli._long_imports():
            signal.raise_signal(number)
            reached.append("imported")
        reached.append("went on")

    try:
        status, _, err = command(lambda: run_command(interrupted))
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert status == 128 + number and err.count("\n") == 1
    assert reached == ["imported"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_wait_until_hydra_has_composed(command, monkeypatch, tmp_path, number):
    """A list of omegaconf's that is interrupted makes another error of it, which Hydra ignores the first time."""
    handler, compose = signal.getsignal(signal.SIGTERM), ConfigLoaderImpl.load_configuration
    sent = []

    def interrupted(*args, **kwargs):
        if not sent:
            sent.append(number)
            try:
                signal.raise_signal(number)
            except BaseException as error:
                raise AttributeError("half a list") from error
        return compose(*args, **kwargs)

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", interrupted)
    try:
        status, out, err = command(cli.train, *SMALL)
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert sent and status == 128 + number and err.startswith("error: ") and err.count("\n") == 1
    assert "Trained" not in out and not list(tmp_path.iterdir())


def test_the_garbage_collector_works_after_imports():
    for was_enabled in (True, False):
        (gc.enable if was_enabled else gc.disable)()
        with cli._long_imports():
            assert not gc.isenabled()
        assert gc.isenabled() == was_enabled
    gc.enable()


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ("", True),
        ("experiment=impala_cartpole transport=process -m", True),
        ("--help", False),
        ("learner=impala --cfg job", False),
        ("transport=local", False),
    ],
)
def test_when_a_fork_server_is_started_early(command, monkeypatch, arguments, expected):
    held = []
    monkeypatch.setattr(fork_server, "hold", lambda: held.append(True))
    monkeypatch.setattr(cli, "_available_cores", lambda: 2)
    command(cli.train, *arguments.split(), "total_steps=0", "total_steps=many")
    assert held == [True] * expected


def test_no_fork_server_where_no_core_is_free(command, monkeypatch):
    monkeypatch.setattr(fork_server, "hold", lambda: pytest.fail("started"))
    monkeypatch.setattr(cli, "_available_cores", lambda: 1)
    command(cli.train, "total_steps=many")


@pytest.mark.parametrize("overrides", [["total_steps=many"], ["learner.lr=-1"], ["total_steps=1200", "batch_size=32"]])
def test_no_fork_server_is_left(command, overrides):
    command(cli.train, *overrides, "eval_episodes=0")
    assert fork_server._SERVER._forkserver_pid is None


def test_a_job_that_fails_is_told_and_the_others_run(command, tmp_path):
    status, out, err = command(cli.train, "-m", *SMALL, "learner.lr=1e-3,-1,2e-3", "run_dir=sweep", "seed=3")
    assert status == 2 and out.count("Run folder: sweep/") == 2
    assert "error: job 1 (" in err and "learner.lr: found -1" in err
    assert err.splitlines()[-1].startswith("error: job 1 (") and "as told above" in err
    table = (tmp_path / "sweep" / "sweep.csv").read_text().splitlines()
    assert table[0] == "job,run_dir,overrides,mean_return" and len(table) == 4
    rows = [row.split(",") for row in table[1:]]
    assert [row[:2] for row in rows] == [["0", "sweep/0"], ["1", "sweep/1"], ["2", "sweep/2"]]
    assert "learner.lr=2e-3" in rows[2][2] or "learner.lr=0.002" in rows[2][2]
    assert rows[1][3] == "failed" and float(rows[0][3]) > 0 and float(rows[2][3]) > 0


def test_a_sweep_that_was_cut_off_is_taken_up_by_one_command(command, tmp_path):
    arguments = ["-m", *SMALL, "seed=1,2", "run_dir=sweep", "transport=local"]
    assert command(cli.train, *arguments)[0] == 0
    shutil.rmtree(tmp_path / "sweep" / "1")
    status, out, err = command(cli.train, *arguments, "total_steps=2000", "resume=true")
    assert status == 0, err
    assert "more, " in out and out.count("Run folder: sweep/") == 2
    assert (tmp_path / "sweep" / "1" / "config.yaml").exists()


def test_one_command_can_be_requeued(command, tmp_path):
    arguments = [*SMALL, "run_dir=run", "resume=auto", "total_steps=600"]
    outputs = [command(cli.train, *arguments) for _ in range(2)]
    assert [status for status, *_ in outputs] == [0, 0]
    assert "Nothing was left to train" in outputs[1][1]
    starts = [json.loads(line) for line in (tmp_path / "run" / "starts.jsonl").read_text().splitlines()]
    assert len(starts) == 2 and starts[0]["from_step"] == 0 < starts[1]["from_step"]
    assert "resume=auto" in starts[0]["command"] and {"hsuanwu", "python", "torch"} <= set(starts[0]["versions"])
    spaces = json.loads((tmp_path / "run" / "spaces.json").read_text())
    assert spaces["action_space"]["type"] == "Discrete"


def test_what_a_run_goes_on_with_that_is_other_than_before_is_said(command):
    command(cli.train, *SMALL, "run_dir=run")
    _, out, _ = command(cli.train, "run_dir=run", "resume=true", "total_steps=3000", "learner.lr=1e-4")
    assert "Other than before: total_steps: " in out and "Other than before: learner.lr: 0.0006, now 0.0001" in out


@pytest.mark.parametrize("function", [cli.train, cli.evaluate, cli.plot, cli.check])
def test_the_version_is_told(command, function):
    assert command(function, "--version") == (0, "hsuanwu 0.1.0\n", "")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--seed", "2"], "error: --seed: write seed=2, without dashes"),
        (["learner.lr", "1e-3"], "error: learner.lr: write learner.lr=1e-3, without spaces"),
        (["run_dir=lr=1e-3"], "error: run_dir: found 'lr=1e-3'; quote it: 'run_dir=\"lr=1e-3\"'"),
        (["run_dir=mein Läufe/é"], "error: run_dir: found 'mein Läufe/é'; quote it: 'run_dir=\"mein Läufe/é\"'"),
        (["resume=[1"], "error: resume: found '[1'; a bracket is missing"),
        (["seed=1,2,3"], "error: seed: found several values, 1,2,3; add -m to run each of them"),
        (["learner.lr=${nope}"], "error: learner.lr: refers to ${nope}, and there is no such key; write a value"),
        (["seed=${total_step}"], "error: seed: refers to ${total_step}, and there is no such key; did you mean"),
        (["seed=${oc.env:NO_SUCH}"], "error: seed: refers to what cannot be found: Environment variable 'NO_SUCH'"),
        (["learner.learning_rate=1e-3"], "error: learner.learning_rate: unknown key; did you mean 'learner.lr'? "),
        (["learner.foo=1"], "error: learner.foo: unknown key; learner=impala has "),
        (
            ["env=gymnasium", "env.wrapper=x"],
            "error: env.wrapper: unknown key; did you mean 'env.wrappers'? env=gymnasium has env.id, env.kwargs, "
            "env.native_vector, env.reset_options, env.wrappers\n",
        ),
        (["num_envs=4"], "error: num_envs: unknown key; did you mean 'envs_per_actor'? "),
        (["wandb=true"], "error: wandb: unknown key; there is no such logger"),
        (
            ["encoder.hidden_dims=[64]"],
            "error: encoder.hidden_dims: the chosen encoder has no such key; choose encoder=mlp",
        ),
        (["env=gymnasium", "env.id=robot.py:Arm-v0"], "error: env.id: found 'robot.py'; write robot, without .py"),
        (["policy=[{}]"], "error: policy: found [{}]; choose policy=<one of "),
    ],
    ids=str,
)
def test_slips_are_one_line(command, tmp_path, arguments, line):
    status, _, err = command(cli.train, *arguments)
    assert status == 2 and err.startswith(line) and err.count("\n") == 1, err
    assert not list(tmp_path.iterdir())
