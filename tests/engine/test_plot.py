"""Learning curves: what is read, what is drawn, what is refused."""

import json
import math
import os
import resource

import numpy as np
import pytest
from matplotlib import image
from matplotlib.figure import Figure

from hsuanwu.common.errors import ConfigurationError, RunWarning
from hsuanwu.engine import plot
from hsuanwu.engine.grouping import groups_of


def write_run(folder, rows, tail=""):
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + tail)
    return folder


def rows_of(steps, returns):
    return [{"step": step, "episode_return": value} for step, value in zip(steps, returns, strict=True)]


@pytest.fixture
def drawn(monkeypatch):
    """Return the list of figures that are saved during the test."""
    figures = []
    save = Figure.savefig

    def spy(self, *args, **kwargs):
        figures.append(self)
        save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", spy)
    return figures


def test_reads_what_counts(tmp_path):
    rows = [
        {"step": 1, "loss": 0.5},
        {"step": 2, "episode_return": None},
        {"step": 3, "episode_return": 1.5},
        {"step": 4, "episode_return": math.nan},
        {"step": 5, "episode_return": 2},
    ]
    steps, returns = plot._read_curve(write_run(tmp_path / "run", rows, tail='{"step": 6, "episode_ret'))
    assert steps.tolist() == [3, 5]
    assert returns.tolist() == [1.5, 2]


def test_reads_a_last_line_torn_within_a_character(tmp_path):
    run = write_run(tmp_path / "run", rows_of([1], [1.0]))
    with (run / "metrics.jsonl").open("ab") as file:
        file.write('{"name": "é'.encode()[:-1])
    assert plot._read_curve(run)[0].tolist() == [1]


def test_a_resumed_run_replaces_what_it_logs_again(tmp_path):
    run = write_run(tmp_path / "run", rows_of([1, 2, 3, 2, 4], [10, 20, 30, 21, 40]))
    steps, returns = plot._read_curve(run)
    assert steps.tolist() == [1, 2, 4]
    assert returns.tolist() == [10, 21, 40]


def test_draws_one_run(tmp_path, drawn):
    steps = np.arange(1, 101) * 1000
    run = write_run(tmp_path / "a_run", rows_of(steps.tolist(), np.sqrt(steps).tolist()))
    plot.learning_curve([run], tmp_path / "new" / "er" / "curve.png")
    picture = image.imread(tmp_path / "new" / "er" / "curve.png")
    assert picture.std() > 0
    (axes,) = drawn[0].axes
    raw, smooth = axes.lines
    assert raw.get_linewidth() < smooth.get_linewidth()
    np.testing.assert_allclose(raw.get_ydata(), np.sqrt(steps))
    assert axes.get_xlabel() == "environment steps"
    assert axes.get_ylabel() == "undiscounted episode return"
    assert "a_run" in axes.get_title()


def test_draws_the_mean_and_band_of_several_runs(tmp_path, drawn):
    # straight lines on different steps: interpolation is exact, and the mean over runs is known
    offsets = [-3.0, 0.0, 6.0]
    runs = []
    for index, offset in enumerate(offsets):
        steps = np.arange(index, 20 + index, dtype=float)
        runs.append(write_run(tmp_path / str(index), rows_of(steps.tolist(), (2 * steps + offset).tolist())))
    plot.learning_curve(runs, tmp_path / "curve.png")
    (axes,) = drawn[0].axes
    mean = axes.lines[-1]
    grid = mean.get_xdata()
    assert (grid[0], grid[-1]) == (2, 19)
    np.testing.assert_allclose(mean.get_ydata(), 2 * grid + 1)
    (band,) = axes.collections
    edges = band.get_paths()[0].vertices[:, 1] - 2 * band.get_paths()[0].vertices[:, 0]
    # of 27 equally likely draws of three runs one is all of the lowest: more than 2.5%, so the band spans all
    np.testing.assert_allclose([edges.min(), edges.max()], [-3, 6])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert any("95% confidence (bootstrap)" in label for label in labels)


def test_smooths_each_run_before_the_mean(tmp_path, drawn):
    spike = [3.0 if step == 30 else 0.0 for step in range(60)]
    runs = [write_run(tmp_path / name, rows_of(range(60), spike)) for name in ("a", "b")]
    plot.learning_curve(runs, tmp_path / "curve.png")
    assert drawn[0].axes[0].lines[-1].get_ydata().max() == pytest.approx(1.0)


def test_draws_runs_of_one_point(tmp_path, drawn):
    runs = [write_run(tmp_path / name, rows_of([100], [value])) for name, value in (("a", 1.0), ("b", 3.0))]
    plot.learning_curve(runs[:1], tmp_path / "one.png")
    plot.learning_curve(runs, tmp_path / "two.svg")
    assert drawn[1].axes[0].lines[-1].get_ydata().tolist() == [2.0]


def test_smoothing_keeps_lines_and_means():
    values = np.full(7, 3.0)
    np.testing.assert_allclose(plot._smoothed(values), values)
    spike = np.zeros(60)
    spike[30] = 3.0
    smooth = plot._smoothed(spike)
    assert plot._window(60) == 3
    np.testing.assert_allclose(smooth[28:33], [0, 1, 1, 1, 0])
    np.testing.assert_allclose(plot._smoothed(np.arange(60.0))[0], 0.5)


@pytest.mark.parametrize(
    "rows, tail, message",
    [
        ([], "", "no line with an episode_return"),
        ([{"step": 1, "loss": 2.0}], "", "no line with an episode_return"),
        ([{"step": 1, "episode_return": 1.0}], "not json\n", r"line 2: found 'not json'"),
        ([{"episode_return": 1.0}, {"step": 2, "episode_return": 1.0}], "", "line 1: .*numbers step"),
        ([[1, 2], {"step": 2, "episode_return": 1.0}], "", "line 1: "),
        ([{"step": 1, "episode_return": "high"}], "\n", "line 1: "),
    ],
)
def test_refuses_a_folder_and_says_why(tmp_path, rows, tail, message):
    run = write_run(tmp_path / "run", rows, tail)
    with pytest.raises(ConfigurationError, match=message) as error:
        plot.learning_curve([run], tmp_path / "curve.png")
    assert str(error.value).startswith(f"RUN_DIR: {run}")
    assert "\n" not in str(error.value)


def test_refuses_what_is_not_there(tmp_path):
    with pytest.raises(ConfigurationError, match=r"RUN_DIR: .*/x holds no metrics\.jsonl; "):
        plot.learning_curve([tmp_path / "x"], tmp_path / "curve.png")
    with pytest.raises(ConfigurationError, match="RUN_DIR: found none"):
        plot.learning_curve([], tmp_path / "curve.png")


def test_refuses_runs_without_common_steps(tmp_path):
    runs = [write_run(tmp_path / name, rows_of([n, n + 1], [0.0, 0.0])) for name, n in (("a", 1), ("b", 5))]
    with pytest.raises(ConfigurationError, match="share no steps"):
        plot.learning_curve(runs, tmp_path / "curve.png")


def test_refuses_an_unknown_format(tmp_path):
    run = write_run(tmp_path / "run", rows_of([1], [1.0]))
    with pytest.raises(ConfigurationError, match=r"-o: found 'curve.doc'; .*\.png"):
        plot.learning_curve([run], tmp_path / "curve.doc")


def test_refuses_a_place_that_cannot_be_written(tmp_path):
    run = write_run(tmp_path / "run", rows_of([1], [1.0]))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"-o: .*curve.png cannot be written \(File exists\)"):
        plot.learning_curve([run], tmp_path / "file" / "curve.png")


def test_what_a_mean_leaves_out_is_told(tmp_path):
    runs = []
    for name, last in (("a", 100), ("b", 100), ("short", 20)):
        runs.append(write_run(tmp_path / name, rows_of(list(range(1, last)), [1.0] * (last - 1))))
    with pytest.warns(RunWarning, match=r"short ends at step 19, others go on to 99: the mean ends with it"):
        plot.learning_curve(runs, tmp_path / "curve.png")


def test_runs_of_different_environments_are_no_repetitions(tmp_path):
    runs = []
    for name in ("CartPole-v1", "Acrobot-v1"):
        runs.append(write_run(tmp_path / name, rows_of([1, 2], [1.0, 2.0])))
        (tmp_path / name / "config.yaml").write_text(f"env: {{_target_: x, id: {name}}}\n")
    with pytest.warns(RunWarning, match="of different environments, and drawn apart: CartPole-v1, Acrobot-v1"):
        plot.learning_curve(runs, tmp_path / "curve.png")


def test_runs_are_grouped_by_what_varies(tmp_path, drawn):
    runs = []
    for name, lr, seed, value in (("a", 0.1, 1, 1.0), ("b", 0.1, 2, 3.0), ("c", 0.5, 1, 9.0)):
        run = write_run(tmp_path / name, rows_of([1, 2], [value, value]))
        settings = (
            f"env: {{_target_: x, id: Own-v0}}\nlearner: {{lr: {lr}, betas: [0, 1]}}\nseed: {seed}\nrun_dir: {name}\n"
        )
        (run / "config.yaml").write_text(settings)
        runs.append(run)
    plot.learning_curve(runs, tmp_path / "curve.png")
    (axes,) = drawn[0].axes
    means = {line.get_label(): set(line.get_ydata()) for line in axes.lines if "run" in line.get_label()}
    assert means == {
        "learner.lr=0.1: interquartile mean of 2 smoothed runs": {2.0},
        "learner.lr=0.5: 1 smoothed run": {9.0},
    }
    assert len(axes.collections) == 1 and axes.get_title() == "Learning curves of Own-v0 over 3 runs"


def group_names(folder, *texts):
    """Return the labels of the groups of runs with given configurations."""
    runs = []
    for number, text in enumerate(texts):
        run = write_run(folder / str(number), rows_of([1], [1.0]))
        if text is not None:
            (run / "config.yaml").write_text(text)
        runs.append(run)
    return groups_of(runs)


def test_the_folder_of_a_sweep_stands_for_its_runs(tmp_path, drawn):
    for number in (0, 2, 10):
        write_run(tmp_path / "sweep" / str(number), rows_of([1], [float(number)]))
    (tmp_path / "sweep" / "sweep.csv").write_text("job,run_dir\n")
    assert [path.name for path in plot._runs_in(tmp_path / "sweep")] == ["0", "2", "10"]
    plot.learning_curve([tmp_path / "sweep"], tmp_path / "curve.png")
    assert drawn[0].axes[0].get_title() == "Learning curve over 3 runs"


def test_the_seed_and_what_is_logged_make_no_group(tmp_path):
    texts = ["seed: 1", "seed: 2\nrun_dir: x", "log_interval: 7\ntotal_steps: 9"]
    assert group_names(tmp_path, *texts) == {"": [0, 1, 2]}


def test_what_auto_chose_makes_no_group(tmp_path):
    assert group_names(tmp_path / "given", "num_actors: 1", "num_actors: 2") == {
        "num_actors=1": [0],
        "num_actors=2": [1],
    }
    for number in (0, 1):
        folder = write_run(tmp_path / "auto" / str(number), rows_of([1], [1.0]))
        (folder / "config.yaml").write_text(f"num_actors: {number + 1}")
        (folder / "calibration.json").write_text('{"chosen": {"num_actors": 1}}')
    assert groups_of([tmp_path / "auto" / name for name in "01"]) == {"": [0, 1]}


def test_long_labels_say_how_many_keys_they_leave_out(tmp_path):
    texts = [", ".join(f"{key}: {value}" for key in "abcdef") for value in (1, 2)]
    first, _ = group_names(tmp_path, *(f"{{{text}}}" for text in texts))
    assert first == "a=1, b=1, c=1, d=1 and 2 more"


def test_a_run_without_a_configuration_stands_apart_where_others_vary(tmp_path):
    assert group_names(tmp_path / "one", "a: 1", None) == {"": [0, 1]}
    assert list(group_names(tmp_path / "two", "a: 1", "a: 2", None, "a: [")) == ["a=1", "a=2", "no config.yaml"]


@pytest.mark.parametrize(
    "line", ['{"step": 1, "episode_return": 1e308}', "[" * 100_000, '{"step": 1e305, "episode_return": 1}']
)
def test_absurd_lines_are_told_with_their_number(tmp_path, line):
    run = write_run(tmp_path / "a", rows_of([1, 2], [1.0, 2.0]))
    with (run / "metrics.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ConfigurationError, match=r"metrics.jsonl, line 3: "):
        plot.learning_curve([run], tmp_path / "curve.png")


def elsewhere(path):
    """Put a file outside of its run folder, and a link in its place."""
    path.symlink_to(path.rename(path.parent.parent / "outside"))


def a_pipe(path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def endless(path):
    with path.open("ab") as file:
        file.truncate(1 << 40)


def one_line(path):
    with path.open("ab") as file:
        file.truncate(1 << 29)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (elsewhere, "is a link to .*outside, outside of the run folder"),
        (a_pipe, "holds no metrics.jsonl"),
        (endless, "has 1,099,511,627,776 bytes; no more than 1,073,741,824 are drawn"),
        (one_line, "line 3: has more than 1,048,576 bytes"),
    ],
)
def test_the_curve_of_a_stranger_takes_no_time_and_no_memory(tmp_path, damage, message):
    run = write_run(tmp_path / "a", rows_of([1, 2], [1.0, 2.0]))
    damage(run / "metrics.jsonl")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ConfigurationError, match=f"RUN_DIR: .*{message}"):
        plot.learning_curve([run], tmp_path / "curve.png")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_nor_does_a_pipe_that_nothing_writes_to_hold_up_a_picture(tmp_path):
    run = write_run(tmp_path / "a", rows_of([1, 2], [1.0, 2.0]))
    (run / "config.yaml").write_text("seed: 1")
    a_pipe(run / "calibration.json")
    with pytest.raises(ConfigurationError, match="RUN_DIR: .*calibration.json is neither a file nor a folder"):
        plot.learning_curve([run], tmp_path / "curve.png")
