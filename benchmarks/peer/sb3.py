"""Stable-Baselines3's A2C or PPO, in its own vector environments of ordinary ones."""

from __future__ import annotations

from typing import Any

from meter import Meter, parse, report

CARTPOLE = {"algorithm": "A2C", "envs": 128, "steps": 16, "subprocess": False, "threads": 1}
SETTINGS = {
    "cartpole": CARTPOLE,
    "cartpole_python": CARTPOLE,
    "pong": {"algorithm": "A2C", "envs": 16, "steps": 5, "subprocess": True, "threads": 2},
}


def main() -> None:
    """Train until the time is over and print the speed."""
    import stable_baselines3
    import torch
    from stable_baselines3.common.callbacks import BaseCallback

    arguments = parse(SETTINGS)
    settings = arguments.settings
    meter = Meter(arguments.seconds)

    class Clock(BaseCallback):
        over = False

        def _on_rollout_start(self) -> None:
            self.over = meter(self.num_timesteps)

        def _on_step(self) -> bool:
            return not self.over

    torch.set_num_threads(settings["threads"])
    pixels = arguments.workload == "pong"
    more: dict[str, Any] = {} if pixels else {"policy_kwargs": {"net_arch": [64, 64]}}
    if settings["algorithm"] == "PPO":
        more |= {"n_epochs": 1, "batch_size": settings["envs"] * settings["steps"]}
    algorithm = getattr(stable_baselines3, settings["algorithm"])
    policy = "CnnPolicy" if pixels else "MlpPolicy"
    envs = make_envs(arguments.workload, settings)
    model = algorithm(policy, envs, n_steps=settings["steps"], device="cpu", **more)
    model.learn(10**12, callback=Clock(), log_interval=10**9)
    envs.close()
    report(meter, settings, "stable-baselines3", "gymnasium", "torch", "numpy")


def make_envs(workload: str, settings: dict[str, Any]) -> Any:
    """Return the workload's environments, with what Stable-Baselines3 wraps around them."""
    from stable_baselines3.common.env_util import make_atari_env, make_vec_env
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecFrameStack

    kind = SubprocVecEnv if settings["subprocess"] else DummyVecEnv
    if workload != "pong":
        return make_vec_env("CartPole-v1", settings["envs"], vec_env_cls=kind)

    # four frames a step are the wrapper's doing, so the game itself must not skip any
    game = {"frameskip": 1, "repeat_action_probability": 0.0}
    return VecFrameStack(make_atari_env("ale_py:ALE/Pong-v5", settings["envs"], env_kwargs=game, vec_env_cls=kind), 4)


if __name__ == "__main__":
    main()
