"""From a configuration to a trained policy: composition, training, evaluation, checkpoints, logs."""

from hsuanwu.engine.distributed_trainer import DistributedTrainer

__all__ = ["DistributedTrainer"]
