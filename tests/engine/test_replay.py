"""Evaluation from a run folder."""

import numpy as np
import pytest
from omegaconf import OmegaConf

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.engine import DistributedTrainer
from hsuanwu.engine.replay import evaluate_run
from hsuanwu.engine.screen import Video
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
    with Video(tmp_path / "video.mp4", lambda path, **_: frames) as video:
        video.append(draw(lambda: picture), None)
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
    video = Video(tmp_path / "video.mp4", lambda path, **_: frames)
    with pytest.raises(ConfigurationError, match="--video: the environment drew"), video:
        for shape in ((10, 10, 3), second):
            video.append(np.zeros(shape, np.uint8), 30.0)
    assert not (tmp_path / "video.mp4").exists()


def test_a_video_has_the_pace_and_the_episodes_that_were_asked_for(composed, tmp_path):
    imageio = pytest.importorskip("imageio.v2")
    DistributedTrainer(composed("total_steps=100")).train()
    result = evaluate_run(tmp_path / "run", 1, 0, video_dir=tmp_path / "video", video_episodes=2)
    with imageio.get_reader(result["video"]) as video:
        assert video.get_meta_data()["fps"] == 50  # CartPole's own
        pictures = video.count_frames()
    # as many as two episodes have steps: those of a video are always the same
    with imageio.get_reader(evaluate_run(tmp_path / "run", 1, 0, video_dir=tmp_path / "one")["video"]) as video:
        assert 0 < video.count_frames() < pictures


@pytest.mark.parametrize(
    ("pace", "told", "shown"), [(50.0, 50.0, 12), (None, 30.0, 12), (120.0, 60.0, 6), (150.0, 50.0, 4), (2.5, 2.5, 12)]
)
def test_no_more_than_60_pictures_a_second_are_shown_and_time_stays_what_it_is(tmp_path, pace, told, shown):
    frames, asked = Frames(), {}

    def writer(path, **settings):
        asked.update(settings)
        return frames

    with Video(tmp_path / "video.mp4", writer) as video:
        for _ in range(12):
            video.append(np.zeros((200, 200, 3), np.uint8), pace)
    assert (asked["fps"], len(frames)) == (told, shown)


def test_a_window_shows_the_episodes(composed, tmp_path, monkeypatch):
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    ticks, clock = [], type("Clock", (), {"tick": lambda self, pace: ticks.append(pace)})
    monkeypatch.setattr(pygame.time, "Clock", clock)
    DistributedTrainer(composed("total_steps=100")).train()
    watched = evaluate_run(tmp_path / "run", 2, 0, render=True)
    assert watched["episodes"] == 2 and set(ticks) == {50.0}
    assert len(ticks) == sum(watched["episode_length"][name] for name in ("min", "max"))
    assert not pygame.display.get_init()


def test_without_a_display_there_is_no_window(composed, tmp_path, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    DistributedTrainer(composed("total_steps=100")).train()
    with pytest.raises(ConfigurationError, match=r"^--render: this machine has no display; use --video DIR$"):
        evaluate_run(tmp_path / "run", 2, 0, render=True)
