"""Atari 2600 games, stepped by ale-py's own vector environment."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, final

import numpy as np

from hsuanwu.common.errors import ConfigurationError, nearest, one_line
from hsuanwu.common.nest import Nest
from hsuanwu.common.protocols import Array, Step, VectorEnv
from hsuanwu.common.registry import register
from hsuanwu.env.imports import import_extra
from hsuanwu.env.native_vector_env import NativeVectorEnv, native_seed
from hsuanwu.env.priority import at_lower_priority

_FRAMES_PER_SECOND = 60.0
_SCREEN = {"grayscale": False, "img_height": 210, "img_width": 160, "stack_num": 1}


@final
@register("env", "atari")
class AtariEnvFactory:
    """Builds Atari games with the usual preprocessing, in native code.

    Observations are uint8 ``[frame_stack, image_size, image_size]``, grey; each frame is the pixel-wise
    maximum of the last two screens of ``frame_skip``. Rewards are those of the game: clipping belongs to the
    learner. An episode starts with a random number of idle frames, and with FIRE in games that wait for
    it; reaching ``max_frames_per_episode`` is a truncation.

    Args:
        game: name of the ROM in snake_case, ``"ms_pacman"``.
        frame_skip: frames that one action is held for; at least 1.
        frame_stack: frames that one observation shows; at least 1.
        image_size: height and width of a frame, in pixels; at least 1.
        repeat_action_probability: probability that a frame repeats the action before ("sticky actions";
            0.25 in Machado et al.).
        noop_max: greatest number of idle steps at the start; 0 for none.
        episodic_life: whether a lost life is a termination; the game begins anew then, and an episode is one life, in
            evaluations too.
        max_frames_per_episode: frames until an episode is cut; 108000 are 30 minutes of play.
        full_action_space: whether all 18 actions are offered, not just those that the game uses.
        fire_on_reset: whether FIRE is pressed at the start in games that wait for it.
        num_threads: threads that step the environments of one vector, at a lower priority than the caller's where there
            are more than one; None is 1, or one per core where actors are threads beside an accelerator.

    References:
        Mnih et al., Human-level control through deep reinforcement learning, Nature 518, 2015.
        Machado et al., Revisiting the Arcade Learning Environment, arXiv 1709.06009.
    """

    def __init__(
        self,
        game: str = "pong",
        frame_skip: int = 4,
        frame_stack: int = 4,
        image_size: int = 84,
        repeat_action_probability: float = 0.0,
        noop_max: int = 30,
        episodic_life: bool = False,
        max_frames_per_episode: int = 108000,
        full_action_space: bool = False,
        fire_on_reset: bool = True,
        num_threads: int | None = None,
    ) -> None:
        # ale-py hangs on some of these and silently accepts others
        _check_at_least("frame_skip", frame_skip, 1)
        _check_at_least("frame_stack", frame_stack, 1)
        _check_at_least("image_size", image_size, 1)
        _check_at_least("noop_max", noop_max, 0)
        _check_at_least("max_frames_per_episode", max_frames_per_episode, 1)
        if num_threads is not None:
            _check_at_least("num_threads", num_threads, 1, ", or null")
        if not 0 <= repeat_action_probability <= 1:
            raise ConfigurationError(
                f"env.repeat_action_probability: found {repeat_action_probability}; use a number from 0 to 1"
            )
        self.game = game
        self.num_threads = num_threads or 1
        self._image = {"img_height": image_size, "img_width": image_size, "stack_num": frame_stack}
        self._rules: dict[str, Any] = {
            "frameskip": frame_skip,
            "repeat_action_probability": repeat_action_probability,
            "noop_max": noop_max,
            "episodic_life": episodic_life,
            "max_num_frames_per_episode": max_frames_per_episode,
            "full_action_space": full_action_space,
            "use_fire_reset": fire_on_reset,
            "reward_clipping": False,
        }

    def __call__(self, num_envs: int, render: bool = False) -> VectorEnv:
        """Return ``num_envs`` environments; with ``render`` they can draw themselves.

        Raises:
            ConfigurationError: if ale-py is not installed, or there is no such game.
        """
        ale_py = import_extra("ale_py", "ale-py", "atari", "env.game")
        _check_game(ale_py, self.game)
        env = NativeVectorEnv(self._make(num_envs, self.num_threads, self._image))
        env.name = f"atari {self.game}"
        env.frames_per_second = _FRAMES_PER_SECOND / self._rules["frameskip"]
        return _PicturedVectorEnv(env, self._make(1, 1, _SCREEN)) if render else env

    def _make(self, num_envs: int, num_threads: int, image: dict[str, Any]) -> Any:
        vector_env = import_extra("ale_py.vector_env", "ale-py", "atari", "env.game")
        make = partial(vector_env.AtariVectorEnv, self.game, num_envs, num_threads=num_threads, **image, **self._rules)
        return make() if num_threads == 1 else at_lower_priority(make)


@final
class _PicturedVectorEnv:
    """Atari games that can draw environment 0: a twin of it, with the same seed and actions, shows the colours."""

    def __init__(self, env: NativeVectorEnv, twin: Any) -> None:
        self._env, self._twin = env, twin
        self.num_envs, self.frames_per_second = env.num_envs, env.frames_per_second
        self.observation_space, self.action_space = env.observation_space, env.action_space
        self._screen: Array | None = None

    def reset(self, seed: int) -> Nest:
        screens, _ = self._twin.reset(seed=native_seed(seed))
        self._screen = screens[0, 0]
        return self._env.reset(seed)

    def step(self, action: Array) -> Step:
        screens, reward, terminated, truncated, _ = self._twin.step(np.asarray(action)[:1].astype(np.int64))
        self._screen = screens[0, 0]
        step = self._env.step(action)
        shown = (float(reward[0]), bool(terminated[0]), bool(truncated[0]))
        if shown != (float(step.reward[0]), bool(step.terminated[0]), bool(step.truncated[0])):
            raise RuntimeError("the picture of the Atari game is no longer that of environment 0")
        return step

    def render(self) -> Array:
        if self._screen is None:
            raise ConfigurationError("env: there is no picture before reset")
        return np.array(self._screen)

    def close(self) -> None:
        self._env.close()
        self._twin.close()


def _check_at_least(name: str, value: int, least: int, otherwise: str = "") -> None:
    if value < least:
        raise ConfigurationError(f"env.{name}: found {value}; use an integer of {least} or more{otherwise}")


def _check_game(ale_py: Any, game: str) -> None:
    """Refuse what ale-py cannot play; asked to, it would end the process."""
    names = sorted(ale_py.roms.get_all_rom_ids())
    if game not in names:
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(game)).lower()
        raise ConfigurationError(
            f"env.game: {game!r} is unknown; {nearest(snake, names)}names are in snake_case, as in 'ms_pacman'"
        )
    try:
        path = ale_py.roms.get_rom_path(game)
    except OSError as error:
        raise ConfigurationError(f"env.game: the ROM of {game} cannot be read ({one_line(error)})") from error
    if ale_py.ALEInterface.isSupportedROM(path) is None:
        raise ConfigurationError(f"env.game: ale-py has the ROM of {game}, but cannot play it; choose another game")
