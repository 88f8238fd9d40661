"""An application of one's own on top of Hsuanwu's configuration: it knows one encoder more.

From the folder above, with any override that ``hsuanwu-train`` takes::

    python examples/own_app.py experiment=impala_cartpole encoder=wave encoder.num_waves=4
"""

import hydra
import own_module  # noqa: F401  it registers its encoder before the configuration is composed
from omegaconf import DictConfig

from hsuanwu.engine import DistributedTrainer


@hydra.main(version_base="1.3", config_path="pkg://hsuanwu.cfgs", config_name="config")
def main(cfgs: DictConfig) -> None:
    """Train and evaluate."""
    trainer = DistributedTrainer(cfgs)
    print(trainer.train())
    print(trainer.test(episodes=20).to_dict())
    trainer.draw()


if __name__ == "__main__":  # actors are processes that import this file again
    main()
