"""IMPALA on CartPole from its parts: no Hydra, no trainer, the loop in plain sight.

It reaches the best return, 500, in less than half a minute::

    python examples/impala_from_parts.py
    python examples/impala_from_parts.py --transport process
"""

import argparse
from collections import deque

import torch

from hsuanwu.common.clock import Clock
from hsuanwu.engine.evaluator import evaluate
from hsuanwu.env import GymnasiumEnvFactory
from hsuanwu.runtime.actor import Actor
from hsuanwu.runtime.transport import LocalTransport, ProcessTransport
from hsuanwu.runtime.weights import WeightBoard, Weights
from hsuanwu.xploit.learner import IMPALALearner
from hsuanwu.xploit.storage import TrajectoryStorage

OBSERVATION_SPACE = {"shape": (4,)}
ACTION_SPACE = {"shape": (2,), "type": "Discrete", "range": [0, 1]}
HYPER_PARAMETERS = {
    "lr": 6e-3,
    "eps": 0.01,
    "use_lstm": False,
    "ent_coef": 0.003,
    "baseline_coef": 0.5,
    "max_grad_norm": 40.0,
    "discount": 0.98,
}
TRANSPORTS = {"local": LocalTransport, "process": ProcessTransport}
NUM_ACTORS, NUM_ENVS, ROLLOUT_LENGTH, FEATURE_DIM, SEED = 1, 32, 20, 64, 1


def main() -> None:
    """Train, print returns on the way, evaluate at the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--total-steps", type=int, default=500_000)
    parser.add_argument("--transport", choices=TRANSPORTS, default="local")
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # the network is small: threads would only wait for each other

    env_factory = GymnasiumEnvFactory("CartPole-v1")
    learner = IMPALALearner(OBSERVATION_SPACE, ACTION_SPACE, "cpu", FEATURE_DIM, **HYPER_PARAMETERS)
    policy, make_transport = learner.actor, TRANSPORTS[arguments.transport]
    sizes, shared = (ROLLOUT_LENGTH, NUM_ENVS, NUM_ACTORS), make_transport.shares_memory
    storage = TrajectoryStorage(OBSERVATION_SPACE, ACTION_SPACE, *sizes, policy.state_spec, shared)
    board = WeightBoard(policy.state_dict(), shared)
    transport = make_transport(storage, board)
    actor = Actor(env_factory, policy, NUM_ENVS, ROLLOUT_LENGTH, SEED)

    clock, returns, next_report = Clock(arguments.total_steps), deque(maxlen=100), 0
    cfgs, lr_scheduler = {"learner": HYPER_PARAMETERS}, learner.make_lr_scheduler(clock)
    board.publish(Weights(0, policy.state_dict()))
    end = transport.launch(actor, NUM_ACTORS)
    try:
        while not clock.is_over:
            slots = end.collect(1)
            batch = storage.batch(slots)
            returns.extend(x for slot in slots for x in slot.episode_return[slot.episode_length > 0].tolist())
            end.release(slots)
            models, state = (learner.actor, learner.learner), batch.init_state
            metrics = learner.update(cfgs, *models, batch, state, learner.optimizer, lr_scheduler)
            clock.advance(int(batch.valid.sum()))
            end.publish(Weights(clock.updates, policy.state_dict()))
            if clock.steps >= next_report and returns:
                next_report = clock.steps + arguments.total_steps // 20
                print(f"step {clock.steps:>7,}  return {sum(returns) / len(returns):5.1f}  loss {metrics['loss']:9.1f}")
    finally:
        transport.close()
    print("mean return over 50 episodes:", evaluate(policy, env_factory, 50, SEED).to_dict()["episode_return"]["mean"])


if __name__ == "__main__":
    main()
