"""Evaluation from a run folder."""

import numpy as np
import pytest
from omegaconf import OmegaConf

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.engine import DistributedTrainer
from hsuanwu.engine.replay import _Video, evaluate_run
from hsuanwu.env.picture import draw


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


def test_a_broken_configuration_is_told(tmp_path):
    (tmp_path / "config.yaml").write_text("seed: [1")
    with pytest.raises(ConfigurationError, match="config.yaml is no YAML"):
        evaluate_run(tmp_path, 2, 0)


class Frames(list):
    """What a writer of videos was given."""

    append_data = list.append

    def close(self):
        pass


def test_a_tiny_picture_of_floats_becomes_a_large_one_of_bytes(tmp_path):
    picture, frames = np.zeros((10, 10, 3)), Frames()
    picture[:5] = 1.0
    with _Video(tmp_path / "video.mp4", lambda path, **_: frames) as video:
        video.append(draw(lambda: picture))
    (frame,) = frames
    assert frame.shape == (160, 160, 3) and frame.dtype == np.uint8
    assert frame[:80].min() == 255 and frame[80:].max() == 0


def test_floats_beyond_1_are_no_picture():
    with pytest.raises(ConfigurationError, match="uint8, but render"):
        draw(lambda: np.full((4, 4, 3), 200.0))


@pytest.mark.parametrize("second", [(12, 10, 3), (0, 0, 3)])
def test_pictures_of_another_size_leave_no_half_video(tmp_path, second):
    frames = Frames()
    (tmp_path / "video.mp4").write_text("half")
    video = _Video(tmp_path / "video.mp4", lambda path, **_: frames)
    with pytest.raises(ConfigurationError, match="--video: the environment drew"), video:
        for shape in ((10, 10, 3), second):
            video.append(np.zeros(shape, np.uint8))
    assert not (tmp_path / "video.mp4").exists()
