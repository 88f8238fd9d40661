"""What ``auto`` becomes: by rule, by measurement, or by what was measured before."""

import dataclasses
import json

import pytest
import torch
from omegaconf import OmegaConf

from hsuanwu.common.errors import ConfigurationError, EnvironmentFault
from hsuanwu.engine import DistributedTrainer, calibration, measurement
from hsuanwu.engine.build import build_agent
from hsuanwu.engine.calibration import calibrated
from hsuanwu.engine.config import complete, resumed
from hsuanwu.engine.precision import few_envs
from tests.engine.slow import VirtualTime

AUTO = ("num_actors=auto", "envs_per_actor=auto")
ACT_SECONDS = measurement.act_seconds
CHOSEN = ("num_actors", "envs_per_actor", "learner_threads", "precision", "overlap")
BIG = "encoder.hidden_dims=[512,512]"


@pytest.fixture
def concurrent(composed):
    """Return a function that composes a run whose actors run beside the learner, everything chosen by auto."""
    return lambda *overrides: complete(composed("transport=process", *AUTO, *overrides))


@pytest.fixture
def unmeasured(monkeypatch):
    """Make it an error to measure anything."""

    def measure(*_):
        raise AssertionError("something is measured")

    monkeypatch.setattr(measurement, "_fastest", measure)


@pytest.fixture
def costs(monkeypatch):
    """Decide what measurements find: seconds of an update by precision and environments, of a step, and cores."""
    found = {"float32": 1e-3, "bfloat16": 1e-3, "act": lambda num_envs: 1e-4 * num_envs, "cores": 2}
    found["inference"] = 0.0

    def update_seconds(cfgs, agent, num_envs):
        name = str(agent.learner.learner.encoder.dtype).removeprefix("torch.")
        return found[name] * num_envs / torch.get_num_threads()

    monkeypatch.setattr(measurement, "update_seconds", update_seconds)
    monkeypatch.setattr(measurement, "act_seconds", lambda cfgs, agent, num_envs: found["act"](num_envs))
    monkeypatch.setattr(measurement, "inference_seconds", lambda *_: found["inference"])
    monkeypatch.setattr(calibration, "num_cores", lambda: found["cores"])
    return found


def chosen(cfgs):
    return {key: cfgs[key] for key in CHOSEN} | {"slots_per_actor": cfgs.storage.slots_per_actor}


GIVEN = ("num_actors=2", "envs_per_actor=4", "learner_threads=1", "precision=float32", "overlap=true")


@pytest.mark.parametrize("transport", ["local", "process"])
def test_nothing_is_measured_where_everything_is_given(composed, unmeasured, transport):
    cfgs = complete(composed(f"transport={transport}", *GIVEN))
    assert calibrated(cfgs) == (cfgs, None)


@pytest.mark.parametrize("cores", [1, 2, 64])
def test_taking_turns_is_laid_out_by_rule_the_same_on_every_machine(composed, unmeasured, monkeypatch, cores):
    monkeypatch.setattr(calibration, "num_cores", lambda: cores)
    cfgs, report = calibrated(complete(composed(*AUTO)))
    assert report is None
    assert chosen(cfgs) == {
        "num_actors": 1,
        "envs_per_actor": 8,
        "learner_threads": 1,
        "precision": "float32",
        "overlap": False,
        "slots_per_actor": 2,
    }
    given = complete(composed("num_actors=2", "envs_per_actor=auto", "precision=bfloat16", "overlap=true"))
    assert chosen(calibrated(given)[0]) == {
        "num_actors": 2,
        "envs_per_actor": 4,
        "learner_threads": 1,
        "precision": "bfloat16",
        "overlap": True,
        "slots_per_actor": 2,
    }


def test_a_batch_costs_all_its_updates(concurrent, costs):
    reports = [calibrated(concurrent(f"updates_per_batch={n}"))[1] for n in (1, 4)]
    assert reports[0]["update_seconds"] == reports[1]["update_seconds"] == {"1": 8e-3}
    # 80 steps: 8 ms of acting beside 8 ms or 32 ms of learning
    assert [report["promised_steps_per_second"] for report in reports] == pytest.approx([80 / 8e-3, 80 / 32e-3])


def test_the_choice_is_measured(concurrent):
    cfgs, threads = concurrent(), torch.get_num_threads()
    result, report = calibrated(cfgs)
    assert torch.get_num_threads() == threads
    assert "auto" not in chosen(result).values() and None not in chosen(result).values()
    assert report["chosen"] == chosen(result)
    # enough for a batch of 8; how much more depends on what else the machine is busy with
    assert result.num_actors * result.envs_per_actor * result.storage.slots_per_actor >= 8
    assert report["num_cores"] >= 1 and set(report["work_seconds"]) == {"float32", "bfloat16"}
    figures = [
        *report["work_seconds"].values(),
        *report["act_seconds"].values(),
        *report["update_seconds"].values(),
    ]
    figures += [report[name] for name in ("seconds", "promised_steps_per_second")]
    assert all(figure > 0 for figure in figures)
    assert json.loads(json.dumps(report)) == report
    rest = {key: value for key, value in cfgs.items() if key not in (*CHOSEN, "storage")}
    assert {key: result[key] for key in rest} == rest


@pytest.mark.parametrize(
    "given",
    [
        {"num_actors": 1},
        {"num_actors": 3},
        {"envs_per_actor": 2},
        {"learner_threads": 3},
        {"precision": "float32"},
        {"precision": "bfloat16"},
        {"overlap": True},
        {"overlap": False},
        {"storage.slots_per_actor": 1},
        {"num_actors": 1, "envs_per_actor": 8, "storage.slots_per_actor": 5},
    ],
    ids=str,
)
def test_what_is_given_is_kept(concurrent, costs, given):
    overrides = [f"{key}={value}" for key, value in given.items()]
    result, report = calibrated(concurrent(*overrides))
    assert {key: OmegaConf.select(result, key) for key in given} == given
    assert "auto" not in chosen(result).values()
    assert set(report["work_seconds"]) == (set() if "precision" in given else {"float32", "bfloat16"})
    if set(given) <= {"precision", "overlap"}:
        assert chosen(result) == {**chosen(calibrated(concurrent())[0]), **given}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["num_actors=1", "envs_per_actor=2", "storage.slots_per_actor=2"],
            "found 8, but the storage holds 2 slots of envs_per_actor=2 environments, so that it can never be filled",
        ),
        (
            ["num_actors=17"],
            "found 8, which num_actors=17, envs_per_actor=auto and storage.slots_per_actor=null cannot fill without",
        ),
    ],
)
@pytest.mark.parametrize("transport", ["local", "process"])
def test_an_error_where_nothing_fits(composed, unmeasured, transport, overrides, message):
    with pytest.raises(ConfigurationError, match=f"^batch_size: {message}") as caught:
        DistributedTrainer(composed(f"transport={transport}", *AUTO, *overrides))
    assert "\n" not in str(caught.value)


def test_more_actors_than_one_have_to_be_asked_for_where_they_take_turns(composed, costs):
    """What two actors could fill is no choice on a machine of any size."""
    costs["cores"] = 64
    overrides = [*AUTO, "envs_per_actor=2", "storage.slots_per_actor=2"]
    with pytest.raises(ConfigurationError, match="num_actors=auto, envs_per_actor=2 and storage.slots_per_actor=2"):
        calibrated(complete(composed(*overrides)))
    assert calibrated(complete(composed(*overrides, "num_actors=2")))[0].num_actors == 2
    assert calibrated(complete(composed("transport=process", *overrides)))[0].num_actors == 2


def test_costs_are_those_of_one_core(concurrent, costs, monkeypatch):
    threads, right = set(), measurement.act_seconds
    monkeypatch.setattr(measurement, "act_seconds", lambda *args: threads.add(torch.get_num_threads()) or right(*args))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        calibrated(concurrent())
        assert threads == {1} and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_an_encoder_that_fails_in_bfloat16_works_in_float32(concurrent, costs, monkeypatch):
    right = measurement.update_seconds

    def update_seconds(cfgs, agent, num_envs):
        if agent.learner.learner.encoder.dtype == torch.bfloat16:
            raise RuntimeError("index_add_(): self and source\nexpected to have the same dtype")
        return right(cfgs, agent, num_envs)

    monkeypatch.setattr(measurement, "update_seconds", update_seconds)
    with pytest.warns(UserWarning, match="in bfloat16 the encoder fails .*same dtype.*precision=float32 leaves out"):
        result, report = calibrated(concurrent())
    assert result.precision == "float32" and set(report["work_seconds"]) == {"float32"}
    with pytest.raises(RuntimeError, match="index_add_"):
        calibrated(concurrent("precision=bfloat16"))


@pytest.mark.parametrize(("gain", "expected"), [(0.5, "float32"), (1.03, "float32"), (1.08, "bfloat16")])
def test_the_precision_is_the_faster_one_by_far(concurrent, costs, gain, expected):
    costs["bfloat16"], costs["act"] = costs["float32"] / gain, lambda num_envs: 1e-5 * num_envs
    result, report = calibrated(concurrent())
    assert result.precision == expected
    assert report["work_seconds"] == pytest.approx({name: 8 * costs[name] for name in ("float32", "bfloat16")})
    # the update that counts is the one in the precision that was chosen
    assert report["update_seconds"] == pytest.approx({"1": 8 * costs[expected]})


def test_a_long_update_is_not_measured_whole(concurrent, costs, monkeypatch):
    sizes, right = [], measurement.update_seconds
    monkeypatch.setattr(measurement, "update_seconds", lambda *args: sizes.append(args[-1]) or right(*args))
    for seconds, expected in ((0.5, [4] * 2), (0.001, [4, 32] * 4)):
        costs["float32"] = costs["bfloat16"] = seconds
        sizes.clear()
        _, report = calibrated(concurrent("batch_size=32", "rollout_length=20"))
        assert report["update_seconds"] == pytest.approx({"1": 32 * seconds})
        assert sizes == expected


def test_inference_counts_as_much_as_updates(concurrent, costs):
    costs["bfloat16"] = costs["float32"] / 1.2
    costs["inference"], costs["act"] = 1e-2, lambda num_envs: 1e-2
    result, report = calibrated(concurrent("rollout_length=20"))
    assert report["work_seconds"] == pytest.approx({"float32": 0.208, "bfloat16": 0.2 + 0.008 / 1.2})
    assert result.precision == "float32", "what bfloat16 brings to updates is little beside inference"


def test_the_precision_is_that_of_the_faster_run_not_of_less_work(concurrent, costs, monkeypatch):
    """Where actors have time to spare, what they lose does not matter; where they have not, what the learner wins."""
    costs["bfloat16"] = costs["float32"] / 1.25
    inference = {"float32": 1e-4, "bfloat16": 3e-4}
    monkeypatch.setattr(
        measurement,
        "inference_seconds",
        lambda cfgs, agent, num_envs: inference[str(agent.learner.learner.encoder.dtype).removeprefix("torch.")],
    )
    costs["act"] = lambda num_envs: 2e-4
    result, report = calibrated(concurrent())
    # 8 and 6.4 ms of learning beside 2 and 4 ms of acting: the work is 9 and 9.4 ms
    assert report["work_seconds"] == pytest.approx({"float32": 9e-3, "bfloat16": 9.4e-3})
    assert result.precision == "bfloat16" and result.num_actors == 1
    costs["act"] = lambda num_envs: 3e-3
    assert calibrated(concurrent())[0].precision == "float32"
    # less work in bfloat16, 4 ms of learning and 4 of inference; but acting, 10 ms there, takes 7 in float32
    costs["bfloat16"], inference["bfloat16"] = costs["float32"] / 2, 4e-4
    costs["act"] = lambda num_envs: 1e-3
    assert calibrated(concurrent())[0].precision == "float32"


def test_the_layout_follows_the_costs(concurrent, costs):
    assert chosen(calibrated(concurrent())[0])["num_actors"] == 1, "an update takes ten times as long as acting"
    costs["act"] = lambda num_envs: 1e-2 * num_envs
    assert calibrated(concurrent())[0].num_actors == 2
    costs["act"] = lambda num_envs: 1.0
    result, report = calibrated(concurrent())
    assert (result.num_actors, result.envs_per_actor, result.storage.slots_per_actor) == (2, 8, 1)
    assert report["act_seconds"] == {"4": 1.0, "8": 1.0}


@pytest.mark.parametrize(
    ("cores", "network", "update_seconds", "threads", "overlap"),
    [
        (8, "feature_dim=8", 1e-3, 1, True),
        (8, "feature_dim=8", 1e-2, 1, True),
        (3, "feature_dim=8", 1e-3, 1, True),
        (2, "feature_dim=8", 1e-3, 1, False),
        (8, BIG, 1e-3, 1, True),
        (8, BIG, 1e-2, 8, False),
        (2, BIG, 1e-2, 2, False),
        (1, BIG, 1e-2, 1, False),
    ],
)
def test_threads_of_the_learner_and_cores_that_are_left(
    concurrent, costs, cores, network, update_seconds, threads, overlap
):
    """One actor. A large network takes all cores where its updates take long, a small one never more than one."""
    costs.update(cores=cores, float32=update_seconds, bfloat16=update_seconds)
    result, _ = calibrated(concurrent("encoder=mlp", network, "num_actors=1"))
    assert (result.learner_threads, result.overlap) == (threads, overlap)
    given, _ = calibrated(concurrent("encoder=mlp", network, "num_actors=1", "learner_threads=5"))
    assert (given.learner_threads, given.overlap) == (5, cores - 1 - 5 >= 1)


def test_an_accelerator_needs_no_threads_of_the_processor(concurrent, costs):
    cfgs = concurrent("encoder=mlp", BIG)
    agent = build_agent(cfgs)
    assert calibration._thread_counts(cfgs, agent, 16) == (1, 16)
    agent.learner.learner.to("meta")
    assert calibration._thread_counts(cfgs, agent, 16) == (1,)


@pytest.fixture
def beside(composed, costs):
    """Return a function that composes a run whose actors are threads beside an accelerator of 16 cores."""
    costs["cores"] = 16
    return lambda *overrides: complete(composed("transport=thread", "device=meta", *AUTO, *overrides))


@pytest.mark.parametrize(
    ("overrides", "layout"),
    [
        ([], (3, 4, 2)),
        (["batch_size=7"], (2, 7, 1)),
        (["num_actors=4"], (4, 4, 1)),
        (["num_actors=1"], (1, 8, 2)),
        (["envs_per_actor=2"], (2, 2, 4)),
        (["storage.slots_per_actor=1"], (3, 4, 1)),
    ],
)
def test_beside_an_accelerator_few_actors_have_many_environments(beside, overrides, layout):
    result, report = calibrated(beside(*overrides))
    assert (result.num_actors, result.envs_per_actor, result.storage.slots_per_actor) == layout
    assert (result.learner_threads, result.precision, result.overlap) == (1, "float32", False)
    assert report["chosen"] == chosen(result) and report["num_cores"] == 16
    assert calibration.warnings_of(result, report) == []


def test_beside_an_accelerator_the_precision_is_measured_with_a_whole_batch(beside, costs, monkeypatch):
    sizes, right = [], measurement.update_seconds
    monkeypatch.setattr(measurement, "update_seconds", lambda *args: sizes.append(args[-1]) or right(*args))
    costs["bfloat16"] = costs["float32"] / 1.2
    assert calibrated(beside("batch_size=64", "rollout_length=20"))[0].precision == "bfloat16"
    assert set(sizes) == {64}


@pytest.mark.parametrize(("given", "expected"), [("null", 16), ("3", 3)])
def test_native_environments_beside_an_accelerator_have_all_cores(beside, given, expected):
    pytest.importorskip("ale_py")
    result, _ = calibrated(beside("env=pong", f"env.num_threads={given}", "encoder=mnih_cnn"))
    assert result.env.num_threads == expected


def test_inference_counts_where_the_processor_does_it(composed):
    for transport, counts in (("process", True), ("thread", False)):
        cfgs = complete(composed(f"transport={transport}", "device=meta"))
        agent = build_agent(cfgs)
        assert (measurement.inference_seconds(cfgs, agent, 4) > 0) is counts


@pytest.mark.parametrize(
    ("few", "many", "seconds_to_build", "measured"),
    [
        (32, 64, 0.1, [4, 32, 64]),
        (32, 32, 0.1, [4, 32]),
        (2, 3, 0.1, [2, 3]),
        (32, 64, 0.6, [4, 8]),
        (32, 32, 0.6, [4, 8]),
        (3, 64, 0.6, [3, 6]),
        (4, 6, 0.6, [4, 6]),
        (32, 64, 3.1, [4]),
        (3, 64, 3.1, [3]),
    ],
)
def test_environments_that_take_long_to_build_are_few(monkeypatch, few, many, seconds_to_build, measured):
    now, sizes = [0.0], []

    def act_seconds(cfgs, agent, num_envs):
        sizes.append(num_envs)
        now[0] += seconds_to_build
        return 0.01 * num_envs

    monkeypatch.setattr(calibration, "perf_counter", lambda: now[0])
    monkeypatch.setattr(measurement, "act_seconds", act_seconds)
    found = calibration._act_costs(None, None, few, many)
    assert sizes == measured
    for size, seconds in found:
        assert seconds == pytest.approx(0.01 * size)
    if len(measured) > 1:
        assert {size for size, _ in found} <= set(measured) and found[-1][0] == measured[-1]
    else:
        assert [size for size, _ in found] == [measured[0], 2 * measured[0]], "nothing is stepped twice as long again"


def test_the_fastest_run_counts_and_the_first_does_not():
    now, left = [0.0], [0.001, 0.1, 0.04, 0.06]

    def work():
        now[0] += left.pop(0)

    assert measurement._fastest(work, lambda: now[0]) == pytest.approx(0.04)
    assert not left, "0.2 s are enough, and each is two runs at least"
    left += [0.001, 0.9, 0.8]
    assert measurement._fastest(work, lambda: now[0]) == pytest.approx(0.8) and not left
    left += [0.001, 1.1]
    assert measurement._fastest(work, lambda: now[0]) == pytest.approx(1.1) and not left, "a long one is enough"
    left += [0.001] * 21
    assert measurement._fastest(work, lambda: now[0]) == pytest.approx(0.001) and not left


@pytest.mark.parametrize(
    ("batch_size", "rollout_length", "few"), [(1024, 20, 128), (16, 10, 7), (32, 20, 4), (4, 5, 4)]
)
def test_the_small_batch_has_steps_enough(concurrent, batch_size, rollout_length, few):
    cfgs = concurrent(f"batch_size={batch_size}", f"rollout_length={rollout_length}")
    assert few_envs(cfgs) == few


def test_an_update_is_measured_with_all_that_comes_with_it(concurrent, monkeypatch):
    cfgs = concurrent()
    agent, seen = build_agent(cfgs), []
    right = measurement.WeightBoard.publish
    monkeypatch.setattr(measurement.WeightBoard, "publish", lambda *args: seen.append("publish") or right(*args))
    monkeypatch.setattr(measurement, "_update", lambda settings, agent, batch: seen.append(batch.is_first.any(1).sum()))
    assert measurement.update_seconds(cfgs, agent, 2) > 0
    assert seen[:2] == [1, "publish"], "an episode begins in the batch, and weights are published"


@pytest.mark.parametrize(
    ("rollout_length", "num_envs", "rows"),
    [(20, 1, [10]), (20, 8, [4, 8, 12, 16]), (4, 1000, [0, 1, 2, 3]), (1, 4, [0])],
)
def test_episodes_begin_all_over_the_batch_that_is_measured(rollout_length, num_envs, rows):
    assert measurement._rows_of_first_steps(rollout_length, num_envs) == rows


@pytest.mark.parametrize(
    ("seconds", "processor_seconds", "idle"),
    [(1.0, 0.1, 0.9), (1.0, 0.25, 0.0), (1.0, 1.9, 0.0), (0.09, 0.001, 0.0)],
)
def test_idle_is_more_than_other_programs_can_cause(seconds, processor_seconds, idle):
    assert calibration._idle(seconds, processor_seconds) == pytest.approx(idle)


def test_environments_that_wait_are_spread_over_more_actors_than_cores(concurrent, costs, monkeypatch):
    monkeypatch.setattr(calibration, "_idle", lambda *_: costs["idle"])
    costs["act"] = lambda num_envs: 0.2 * num_envs
    for idle, expected in ((0.0, 2), (0.9, 16)):
        costs["idle"] = idle
        result, report = calibrated(concurrent())
        assert (result.num_actors, report["idle"]) == (expected, idle)
        assert result.num_actors * result.envs_per_actor * result.storage.slots_per_actor <= 16


@pytest.mark.parametrize(("processor", "idle"), [(0.001, 0.9), (0.008, 0.0)])
def test_an_environment_that_waits_is_measured_as_waiting(concurrent, costs, monkeypatch, processor, idle):
    for module in (calibration, measurement):
        monkeypatch.setattr(module, "perf_counter", lambda: VirtualTime.wall)
    monkeypatch.setattr(calibration, "busy_seconds", lambda: VirtualTime.processor)
    monkeypatch.setattr(measurement, "process_time", lambda: VirtualTime.processor)
    monkeypatch.setattr(measurement, "act_seconds", ACT_SECONDS)
    wrapper = f"env.wrappers=[{{path: tests.engine.slow.Slow, kwargs: {{wall: 0.01, processor: {processor}}}}}]"
    _, report = calibrated(concurrent("env=gymnasium", "env.id=CartPole-v1", wrapper))
    assert report["idle"] == pytest.approx(idle)


@pytest.mark.parametrize(("waited", "warned"), [(0.0, False), (0.1, False), (0.5, True)])
def test_a_measurement_that_waited_for_cores_says_so(concurrent, costs, monkeypatch, waited, warned):
    """The queue's clock runs for a part of the time of the clock on the wall."""
    monkeypatch.setattr(calibration, "perf_counter", clock := Clock())
    monkeypatch.setattr(calibration, "queue_seconds", lambda: waited * clock.now)
    result, report = calibrated(concurrent())
    lines = calibration.warnings_of(result, report)
    assert report["waited_for_a_core"] == pytest.approx(waited) and len(lines) == warned
    assert not warned or "Other programs use the cores: the measurement waited for one for 50%" in lines[0]


class Clock:
    """Goes on by a second whenever somebody looks."""

    now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def test_a_measurement_is_announced(concurrent, costs, capsys):
    calibrated(concurrent())
    assert capsys.readouterr().out == "Measuring what this machine can do, to choose what is auto\n"


@pytest.mark.parametrize(("seconds_of_a_step", "warned"), [(0.2, True), (0.01, False)])
def test_a_long_update_is_announced(concurrent, costs, seconds_of_a_step, warned):
    costs["act"] = lambda num_envs: seconds_of_a_step * num_envs
    result, report = calibrated(concurrent("rollout_length=20"))
    report["waited_for_a_core"] = 0.0
    # 160 steps, two at a time
    line = f"An update takes batch_size=8 x rollout_length=20 steps, about {16:,.0f} s here"
    assert calibration.warnings_of(result, report) == [line] * warned
    assert calibration.warnings_of(result, None) == []


def test_an_environment_that_fails_while_it_is_measured_is_told_as_such(concurrent):
    fragile = "env.wrappers=[{path: tests.engine.fragile.Fragile, kwargs: {steps: 5}}]"
    with pytest.raises(EnvironmentFault, match=r"(?s)^env CartPole-v1, measurement, environment 0.*broken on purpose"):
        calibrated(concurrent("env=gymnasium", "env.id=CartPole-v1", fragile))


def test_a_spare_slot_unless_slots_are_given(concurrent, costs):
    costs["act"] = lambda num_envs: 5e-3
    result, _ = calibrated(concurrent())
    assert (result.num_actors, result.envs_per_actor, result.storage.slots_per_actor) == (2, 8, 2)
    result, report = calibrated(concurrent("storage.slots_per_actor=1"))
    assert result.storage.slots_per_actor == report["chosen"]["slots_per_actor"] == 1


def test_a_short_measurement_of_precisions_is_made_twice(concurrent, costs, monkeypatch):
    right, disturbed = measurement.inference_seconds, [0.01]

    def inference_seconds(*args):
        return disturbed.pop() if disturbed else right(*args)

    monkeypatch.setattr(measurement, "inference_seconds", inference_seconds)
    result, report = calibrated(concurrent())
    assert result.precision == "float32", "whatever else ran during the first measurement"
    assert report["work_seconds"]["float32"] == report["work_seconds"]["bfloat16"]


def test_environments_are_closed(concurrent):
    cfgs, envs = concurrent(), []
    agent = build_agent(cfgs)

    def factory(num_envs):
        envs.append(agent.env_factory(num_envs))
        return envs[-1]

    assert measurement.act_seconds(cfgs, dataclasses.replace(agent, env_factory=factory), 5) > 0
    assert [env.num_envs for env in envs] == [5] and envs[0]._is_closed


def test_a_run_keeps_its_choice(concurrent, monkeypatch):
    trainer = DistributedTrainer(concurrent("transport=thread", "total_steps=200"))
    trainer.train()
    folder = trainer.folder
    saved = OmegaConf.load(folder.config)
    assert chosen(saved) == chosen(trainer.cfgs) and "auto" not in chosen(saved).values()
    report = json.loads(folder.calibration.read_text())
    assert report == trainer.calibration and report["chosen"] == chosen(saved)

    monkeypatch.setattr(calibration, "_measured", None)
    overrides = ["resume=true", "total_steps=400"]
    more = DistributedTrainer(resumed(concurrent(*overrides), saved, overrides))  # as hsuanwu-train does it
    assert more.calibration is None and chosen(more.cfgs) == chosen(saved)
    more.train()
    assert json.loads(folder.calibration.read_text()) == report
    # what config.yaml says is enough to do the same again
    twin = DistributedTrainer(OmegaConf.merge(saved, {"run_dir": f"{folder.path}-twin"}))
    assert twin.calibration is None and chosen(twin.cfgs) == chosen(saved)
    assert not twin.folder.calibration.exists()


def test_measuring_leaves_no_trace_in_the_weights(concurrent):
    measured = DistributedTrainer(concurrent())
    plain = DistributedTrainer(OmegaConf.merge(measured.cfgs, {"run_dir": "elsewhere"}))
    assert measured.calibration is not None and plain.calibration is None
    pairs = zip(*(x.agent.learner.learner.state_dict().items() for x in (measured, plain)), strict=True)
    assert all(name == other and torch.equal(x, y) for (name, x), (other, y) in pairs)


def test_local_runs_with_auto_are_equal_to_the_bit(composed, tmp_path):
    runs = []
    for name in ("a", "b"):
        trainer = DistributedTrainer(composed(*AUTO, "log_interval=100", f"run_dir={tmp_path / name}"))
        trainer.train()
        assert not trainer.folder.calibration.exists()
        lines = [json.loads(line) for line in trainer.folder.metrics.read_text().splitlines()]
        runs.append([{key: value for key, value in line.items() if "second" not in key} for line in lines])
    assert runs[0] == runs[1] and len(runs[0]) > 5
