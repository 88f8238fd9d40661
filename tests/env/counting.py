"""What counter environments must show, worked out from their rules alone."""

import numpy as np

LENGTHS = (3, 1, 4)


def expected_rows(tag, actions, stride=1):
    """Return the (tag, episode, step) rows and (reward, terminated, truncated) rows of one environment.

    ``actions`` count from 0; the environment's own count from 1. Of ``stride`` episodes one is seen.
    """
    episode, step, ended = 0, 0, False
    observations, outcomes = [(tag, 0, 0)], []
    for action in actions:
        if ended:
            episode, step, ended = episode + stride, 0, False
            outcomes.append((0.0, False, False))
        else:
            reward = 1000 * episode + 10 * step + action + 1
            step += 1
            ended = step == LENGTHS[(tag + episode) % 3]
            outcomes.append((reward, ended and episode % 2 == 0, ended and episode % 2 == 1))
        observations.append((tag, episode, step))
    return np.array(observations, np.float32), outcomes


def triple(observation):
    """Return counter observations as ``[B, 3]`` (tag, episode, step), whatever their form; a copy."""
    if isinstance(observation, dict):
        return np.concatenate([observation["tag"][:, None], observation["place"]], 1)
    return np.array(observation)


def check_counters(env, seed=7, num_steps=60, stride=1):
    """Assert that each row of each environment is the one that it must be."""
    first = triple(env.reset(seed))
    actions = np.random.default_rng(0).integers(0, 3, (num_steps, env.num_envs))
    found = [(first, None)]
    for action in actions:
        step = env.step(action)
        outcome = [step.reward.copy(), step.terminated.copy(), step.truncated.copy()]
        found.append((triple(step.observation), outcome))
    for i in range(env.num_envs):
        observations, outcomes = expected_rows(int(first[i, 0]), actions[:, i], stride)
        np.testing.assert_array_equal(np.stack([row[0][i] for row in found]), observations)
        assert [tuple(part[i] for part in row[1]) for row in found[1:]] == outcomes
    return first[:, 0]
