"""RLlib's IMPALA, on native vector environments or on ordinary ones."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from meter import Meter, parse, report

CARTPOLE = {"runners": 1, "envs": 64, "fragment": 50, "batch": 3200, "learners": 0, "vectorize": "vector_entry_point"}
SETTINGS = {
    "cartpole": CARTPOLE,
    "cartpole_python": CARTPOLE | {"runners": 2, "vectorize": "sync"},
    "pong": {"runners": 1, "envs": 32, "fragment": 20, "batch": 640, "learners": 0, "vectorize": "vector_entry_point"},
}


def main() -> None:
    """Train until the time is over and print the speed."""
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    arguments = parse(SETTINGS)
    meter = Meter(arguments.seconds)
    # more CPUs than there are, so that Ray starts every process although they share two cores
    ray.init(num_cpus=8, include_dashboard=False, log_to_driver=False, object_store_memory=2**30)
    try:
        algorithm = configure(arguments.workload, arguments.settings).build_algo()
        steps = 0
        while not meter(steps):
            steps = max(steps, trained(algorithm.train()))  # a result without updates does not say how many there were
        algorithm.stop()
    finally:
        ray.shutdown()
    report(meter, arguments.settings, "ray", "gymnasium", "torch", "numpy")


def trained(result: dict[str, Any]) -> int:
    """Return the steps that the learner has trained on."""
    return result.get("learners", {}).get("__all_modules__", {}).get("num_env_steps_trained_lifetime", 0)


def configure(workload: str, settings: dict[str, Any]) -> Any:
    """Return the configuration of RLlib's IMPALA for a workload."""
    from ray.rllib.algorithms.impala import IMPALAConfig
    from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
    from ray.tune.registry import register_env

    model = {"fcnet_hiddens": [64, 64], "fcnet_activation": "relu", "vf_share_layers": True}
    name = "CartPole-v1"
    if workload == "pong":
        name = "pong"
        register_env(name, lambda config: make_pong(config["num_envs"]))
        filters = [[32, 8, 4], [64, 4, 2], [64, 3, 1]]
        model = {"conv_filters": filters, "conv_activation": "relu", "head_fcnet_hiddens": [512]}
        model |= {"head_fcnet_activation": "relu", "vf_share_layers": True}
    return (
        IMPALAConfig()
        .environment(name)
        .env_runners(
            num_env_runners=settings["runners"],
            num_envs_per_env_runner=settings["envs"],
            rollout_fragment_length=settings["fragment"],
            gym_env_vectorize_mode=settings["vectorize"],
        )
        .learners(num_learners=settings["learners"])
        .training(train_batch_size_per_learner=settings["batch"], lr=0.0005)
        .rl_module(model_config=DefaultModelConfig(**model))
        .reporting(min_time_s_per_iteration=1)
    )


def make_pong(count: int) -> Any:
    """Return a native vector of Pong with the frames last and in [0, 1], as RLlib's network takes them."""
    import gymnasium
    from ale_py.vector_env import AtariVectorEnv
    from gymnasium.wrappers.vector import TransformObservation

    def scale(observation: np.ndarray) -> np.ndarray:
        return np.moveaxis(observation, 1, -1).astype(np.float32) / np.float32(255)

    space = gymnasium.spaces.Box(0.0, 1.0, (84, 84, 4), np.float32)
    envs = AtariVectorEnv("pong", num_envs=count, num_threads=1)
    batched = gymnasium.vector.utils.batch_space(space, count)
    return TransformObservation(envs, scale, batched, space)


if __name__ == "__main__":
    main()
