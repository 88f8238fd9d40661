"""PufferLib's PPO on its own CartPole in C."""

from __future__ import annotations

import os
import sys
from typing import Any

from meter import Meter, parse, report

SETTINGS = {
    "cartpole": {
        "num_envs": 4096,
        "bptt_horizon": 64,
        "minibatch_size": 32768,
        "optimizer": "adam",
        "learning_rate": 0.003,
        "compile": False,
        "threads": 2,
    }
}


def main() -> None:
    """Train until the time is over and print the speed."""
    arguments = parse(SETTINGS)
    settings = dict(arguments.settings)
    meter = Meter(arguments.seconds)
    sys.argv = sys.argv[:1]  # load_config below parses it
    trainer = build(settings)
    while True:
        trainer.evaluate()
        trainer.train()
        if meter(trainer.global_step):
            break
    report(meter, arguments.settings, "pufferlib", "torch", "numpy")
    os._exit(0)  # its monitoring thread would go on, and closing would save a checkpoint


def build(settings: dict[str, Any]) -> Any:
    """Return PufferLib's trainer with an MLP of two layers of 64, and without its dashboard."""
    import pufferlib.ocean
    import pufferlib.pufferl
    import pufferlib.vector
    import torch

    torch.set_num_threads(settings.pop("threads"))

    class Mlp(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = torch.nn.Sequential(
                torch.nn.Linear(4, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU()
            )
            self.head, self.value = torch.nn.Linear(64, 2), torch.nn.Linear(64, 1)

        def forward(self, observation: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, torch.Tensor]:
            feature = self.body(observation)
            return self.head(feature), self.value(feature)

        forward_eval = forward

    class Trainer(pufferlib.pufferl.PuffeRL):
        def print_dashboard(self, *arguments: Any, **more: Any) -> None:
            pass

    make = pufferlib.ocean.env_creator("puffer_cartpole")
    env_kwargs = {"num_envs": settings.pop("num_envs"), "report_interval": 64}
    envs = pufferlib.vector.make(make, env_kwargs=env_kwargs, backend=pufferlib.vector.Serial, num_envs=1)
    config = pufferlib.pufferl.load_config("puffer_cartpole")["train"]
    config |= {"device": "cpu", "use_rnn": False, "env": "puffer_cartpole", "total_timesteps": 10**12}
    config |= {"checkpoint_interval": 10**9, **settings}
    return Trainer(config, envs, Mlp())


if __name__ == "__main__":
    main()
