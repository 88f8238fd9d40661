"""Evaluation from a run folder."""

import pytest
from omegaconf import OmegaConf

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.engine import DistributedTrainer
from hsuanwu.engine.replay import evaluate_run


def test_a_run_from_before_a_key_was_there(composed, tmp_path):
    DistributedTrainer(composed("total_steps=100")).train()
    config = tmp_path / "run" / "config.yaml"
    older = OmegaConf.load(config)
    del older["updates_per_batch"]
    older["learner"]["optimizer_kwargs"] = None  # as it was once
    OmegaConf.save(older, config)
    assert evaluate_run(tmp_path / "run", 2, 0)["episodes"] == 2


@pytest.mark.filterwarnings("ignore:.*render_mode")  # gymnasium's
def test_no_folder_is_left_for_a_video_that_cannot_be_made(composed, tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    DistributedTrainer(composed("total_steps=100", "env=memory_length")).train()
    with pytest.raises(ConfigurationError, match="draw"):
        evaluate_run(tmp_path / "run", 2, 0, video_dir=tmp_path / "video")
    assert not (tmp_path / "video").exists()


def test_a_folder_for_a_video_that_cannot_be_made_is_told(composed, tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    DistributedTrainer(composed("total_steps=100")).train()
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"--video: .*file/video cannot be made \(Not a directory\)"):
        evaluate_run(tmp_path / "run", 2, 0, video_dir=tmp_path / "file" / "video")
