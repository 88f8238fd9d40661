"""Damaged checkpoints: noticed whatever the damage, told in a line, and the one before is used."""

import re
import shutil
import zipfile

import pytest
import torch

from hsuanwu.common.errors import ConfigurationError, RunWarning
from hsuanwu.engine import DistributedTrainer
from hsuanwu.engine.checkpoint import list_checkpoints, load_checkpoint
from hsuanwu.engine.checkpoint_file import DamagedCheckpointError, read_checkpoint, write_checkpoint
from hsuanwu.engine.run_folder import RunFolder

BITS, CUTS, BLOCKS = 60, 30, 10


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the run, to be damaged."""
    return RunFolder(shutil.copytree(trained, tmp_path / "run"))


def assert_the_one_before_is_used(run, name):
    names = [path.name for path in list_checkpoints(run)]
    with pytest.warns(RunWarning) as seen:
        state = load_checkpoint(run)
    assert f"step_{state['steps']:012d}.pt" == names[-2]
    (line,) = [str(warning.message) for warning in seen]
    assert name in line and names[-2] in line and "\n" not in line


@pytest.mark.parametrize("with_digests", [True, False])
def test_no_flipped_bit_goes_unnoticed(run, with_digests):
    """Without digests, as older runs are, the sums of the archive are left: they cover what counts."""
    path = list_checkpoints(run)[-1]
    data, before = path.read_bytes(), load_checkpoint(run)
    if not with_digests:
        run.digests.unlink()
    for number in range(BITS):
        place = len(data) * number // BITS + 5
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << number % 8]) + data[place + 1 :])
        if with_digests:
            assert_the_one_before_is_used(run, path.name)
            continue
        try:
            state = read_checkpoint(run, path.name)
        except DamagedCheckpointError:
            continue
        # padding, or a name that nobody reads
        assert all(torch.equal(x, before["policy"][name]) for name, x in state["policy"].items())
        assert state["steps"] == before["steps"]


def test_no_cut_and_no_empty_block_goes_unnoticed(run):
    path = list_checkpoints(run)[-1]
    data = path.read_bytes()
    for number in range(CUTS):
        path.write_bytes(data[: len(data) * number // CUTS])
        assert_the_one_before_is_used(run, path.name)
    size = len(data) // (BLOCKS + 1)
    for number in range(BLOCKS):
        start = size * number
        path.write_bytes(data[:start] + bytes(size) + data[start + size :])
        assert_the_one_before_is_used(run, path.name)


def changed(state, key, value):
    return {**state, key: value}


WRONG = {
    "tensor": lambda s: torch.zeros(3),
    "list": lambda s: [1, 2],
    "empty": lambda s: {},
    "no_format": lambda s: {k: v for k, v in s.items() if k != "format"},
    "text_format": lambda s: changed(s, "format", "1"),
    "no_rng": lambda s: {k: v for k, v in s.items() if k != "rng"},
    "no_policy": lambda s: {k: v for k, v in s.items() if k != "policy"},
    "text_steps": lambda s: changed(s, "steps", "many"),
    "flag_steps": lambda s: changed(s, "steps", True),
    "steps_below_0": lambda s: changed(s, "steps", -1),
    "nan_seconds": lambda s: changed(s, "wall_seconds", float("nan")),
    "endless_seconds": lambda s: changed(s, "wall_seconds", float("inf")),
    "short_rng": lambda s: changed(s, "rng", torch.zeros(3, dtype=torch.uint8)),
    "float_rng": lambda s: changed(s, "rng", s["rng"].float()),
    "policy_of_numbers": lambda s: changed(s, "policy", {"a": 1.0}),
    "policy_list": lambda s: changed(s, "policy", list(s["policy"].values())),
    "nan_weight": lambda s: changed(s, "policy", {k: torch.full_like(v, torch.nan) for k, v in s["policy"].items()}),
    "no_groups": lambda s: changed(s, "optimizer", {"state": {}}),
    "groups_of_numbers": lambda s: changed(s, "optimizer", {"state": {}, "param_groups": [1]}),
    "state_of_numbers": lambda s: changed(s, "optimizer", {**s["optimizer"], "state": {0: 1.0}}),
    "huge_view": lambda s: changed(s, "policy", {"a": torch.zeros(1).expand(1 << 40)}),
    "sparse": lambda s: changed(s, "policy", {"a": torch.eye(3).to_sparse()}),
}


@pytest.mark.parametrize("kind", WRONG)
def test_other_content_is_noticed_with_its_key_though_the_digest_is_right(run, kind):
    path = list_checkpoints(run)[-1]
    torch.save(WRONG[kind](torch.load(path, weights_only=True)), path)
    run.digests.unlink()
    assert_the_one_before_is_used(run, path.name)


def test_a_file_that_was_exchanged_is_noticed(run):
    path = list_checkpoints(run)[-1]
    torch.save(torch.load(path, weights_only=True) | {"steps": 7}, path)
    with pytest.raises(DamagedCheckpointError, match="sha256 is not the one in SHA256SUMS"):
        read_checkpoint(run, path.name)


def test_a_bomb_is_refused_before_it_is_unpacked(run):
    path = list_checkpoints(run)[-1]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(100_000_000))
    with pytest.raises(DamagedCheckpointError, match="compressed"):
        read_checkpoint(run, path.name)


def test_if_none_is_whole_it_is_said(run):
    for path in list_checkpoints(run):
        path.write_bytes(b"PK")
    with pytest.raises(ConfigurationError, match="none of the 3 checkpoints there is whole"):
        load_checkpoint(run)


def test_a_run_whose_checkpoints_are_gone_is_not_begun_anew(run, composed):
    for path in run.checkpoints.iterdir():
        path.unlink()
    lines = run.metrics.read_text("utf-8")
    with pytest.raises(ConfigurationError, match=r"no checkpoint any more, step_\d+.pt was the last"):
        DistributedTrainer(composed("resume=true"))
    assert run.metrics.read_text("utf-8") == lines


def test_a_damaged_one_is_put_aside_by_the_run_that_goes_on(run, composed):
    path = list_checkpoints(run)[-1]
    path.write_bytes(b"torn")
    with pytest.warns(RunWarning, match=path.name):
        trainer = DistributedTrainer(composed("resume=true", "total_steps=1200", "checkpoint_interval=40"))
    trainer.train()
    assert path.with_suffix(".damaged").read_bytes() == b"torn"
    assert load_checkpoint(run)["steps"] >= 1200


def test_a_damaged_best_one_does_not_end_a_run(composed, tmp_path):
    DistributedTrainer(composed("eval_interval=400")).train()
    (tmp_path / "run/checkpoints/best.pt").write_bytes(b"torn")
    with pytest.warns(RunWarning, match="best.pt"):
        DistributedTrainer(composed("resume=true", "eval_interval=400", "total_steps=2000")).train()
    assert load_checkpoint(RunFolder(tmp_path / "run"), best=True)["steps"] > 1200


def test_digests_are_those_of_sha256sum(run):
    lines = run.digests.read_text("ascii").splitlines()
    assert len(lines) == 3 and all(re.fullmatch(r"[0-9a-f]{64}  checkpoints/step_\d{12}\.pt", line) for line in lines)
    assert [line[-20:] for line in lines] == [path.name for path in list_checkpoints(run)]


@pytest.mark.parametrize("dies_at", ["partial", "renamed"])
def test_a_run_that_dies_while_it_replaces_a_checkpoint_leaves_a_right_one(run, monkeypatch, dies_at):
    """The digest comes before the name: either file is known by it, whichever has the name."""
    name = list_checkpoints(run)[-1].name
    old = read_checkpoint(run, name)
    from pathlib import Path

    replace = Path.replace

    def dying(self, target):
        if target.name == name:
            if dies_at == "renamed":
                replace(self, target)
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", dying)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(run, name, {**old, "wall_seconds": 7.5})
    expected = 7.5 if dies_at == "renamed" else old["wall_seconds"]
    assert read_checkpoint(run, name)["wall_seconds"] == expected
