"""Sample Factory's APPO, on vector environments as one batched environment, or on ordinary ones."""

from __future__ import annotations

import shutil
import tempfile
from typing import Any

import gymnasium
from meter import Meter, parse, report


def _forward(wrapper: gymnasium.Wrapper, name: str) -> Any:
    if name == "env" or name.startswith("__"):
        raise AttributeError(name)
    return getattr(wrapper.env, name)


# Sample Factory was written for gymnasium 0.29, whose wrappers pass on what they do not have themselves.
gymnasium.Wrapper.__getattr__ = _forward

COMMON = {
    "device": "cpu",
    "async_rl": True,
    "use_rnn": False,
    "num_workers": 1,
    "num_envs_per_worker": 1,
    "worker_num_splits": 1,
    "policy_workers_per_policy": 1,
    "num_epochs": 1,
    "num_batches_per_epoch": 1,
    "normalize_input": False,
    "normalize_returns": False,
    "nonlinearity": "relu",
    "restart_behavior": "overwrite",
    "experiment_summaries_interval": 60,
    "save_every_sec": 3600,
    "save_best_every_sec": 3600,
    "log_to_file": False,
}
CARTPOLE = COMMON | {"encoder_mlp_layers": [64, 64]}
PYTHON = CARTPOLE | {"num_workers": 2, "num_envs_per_worker": 32, "worker_num_splits": 2}
PYTHON |= {"rollout": 32, "batch_size": 2048}
PONG = COMMON | {"batched_sampling": True, "vector": 32, "num_workers": 1, "rollout": 20, "batch_size": 640}
PONG |= {"obs_scale": 255.0, "encoder_conv_mlp_layers": [512]}
SETTINGS = {
    "cartpole": CARTPOLE | {"batched_sampling": True, "vector": 512, "rollout": 32, "batch_size": 16384},
    "cartpole_python": PYTHON,
    "pong": PONG | {"encoder_conv_architecture": "convnet_atari"},
    "pong_deep": PONG | {"encoder_conv_architecture": "resnet_impala", "encoder_conv_mlp_layers": [256]},
}


class Vector(gymnasium.Env):
    """A gymnasium vector environment as the batched environment of many agents that Sample Factory takes."""

    is_multiagent = True

    def __init__(self, envs: Any) -> None:
        self.envs = envs
        self.num_agents = envs.num_envs
        self.observation_space = envs.single_observation_space
        self.action_space = envs.single_action_space

    def reset(self, **options: Any) -> Any:
        """Begin an episode in each."""
        observation, _ = self.envs.reset(**options)
        return observation, {}

    def step(self, action: Any) -> Any:
        """Step each; the infos of a vector say nothing that Sample Factory reads."""
        observation, reward, terminated, truncated, _ = self.envs.step(action)
        return observation, reward.astype("float32"), terminated, truncated, {}

    def close(self) -> None:
        """Close all."""
        self.envs.close()


def make_env(name: str, cfg: Any, env_config: Any, render_mode: Any = None) -> Any:
    """Return the environment of a workload: a vector of ``cfg.vector``, or where that is 0 an ordinary one."""
    if name.startswith("cartpole"):
        if not cfg.vector:
            return gymnasium.make("CartPole-v1")
        mode = "vector_entry_point" if name == "cartpole" else "sync"
        return Vector(gymnasium.make_vec("CartPole-v1", num_envs=cfg.vector, vectorization_mode=mode))
    from ale_py.vector_env import AtariVectorEnv

    return Vector(AtariVectorEnv("pong", num_envs=cfg.vector, num_threads=1))


def main() -> None:
    """Train until the time is over and print the speed."""
    from sample_factory.algo.runners.runner import AlgoObserver
    from sample_factory.cfg.arguments import parse_full_cfg, parse_sf_args
    from sample_factory.envs.env_utils import register_env
    from sample_factory.train import make_runner

    arguments = parse(SETTINGS)
    meter = Meter(arguments.seconds)

    class Stop(AlgoObserver):
        def on_training_step(self, runner: Any, training_iteration_since_resume: int) -> None:
            if meter(runner.env_steps.get(0, 0)):
                runner.cfg.train_for_seconds = -1

    register_env(arguments.workload, make_env)
    folder = tempfile.mkdtemp()
    flags = [f"--env={arguments.workload}", f"--train_dir={folder}", "--experiment=benchmark"]
    for key, value in arguments.settings.items():
        flags += [f"--{key}", *map(str, value if isinstance(value, list) else [value])]
    parser, _ = parse_sf_args(flags)
    parser.add_argument("--vector", type=int, default=0)
    _, runner = make_runner(parse_full_cfg(parser, flags))
    runner.register_observer(Stop())
    try:
        runner.init()
        runner.run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report(meter, arguments.settings, "sample-factory", "gymnasium", "torch", "numpy")


if __name__ == "__main__":
    main()
