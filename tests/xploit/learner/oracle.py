"""The IMPALA objective of a linear policy over three actions, and its gradient, by hand, in float64."""

import numpy as np
import torch

from tests.ops import oracle


class LinearPolicy:
    """Logits ``x W + b`` and values ``x w + c``; weights are taken from a learner with an identity encoder."""

    def __init__(self, policy):
        arrays = {name: x.detach().double().numpy() for name, x in policy.named_parameters()}
        self.names = list(arrays)
        self.actor, self.actor_bias = arrays["actor.weight"], arrays["actor.bias"]
        self.critic, self.critic_bias = arrays["critic.weight"], arrays["critic.bias"]

    def loss_and_gradient(self, batch, settings):
        """Return the loss and the gradient of each parameter by name, written out row by row."""
        x = batch.observation.double().numpy()
        log_probs, values = self._log_probs(x), x @ self.critic[0] + self.critic_bias[0]
        targets, advantages = self._estimates(batch, settings, log_probs, values)
        gradient = {"actor.weight": 0 * self.actor, "actor.bias": 0 * self.actor_bias}
        gradient |= {"critic.weight": 0 * self.critic, "critic.bias": 0 * self.critic_bias}
        loss, rows = 0.0, 0
        for t in range(batch.num_steps):
            for b in range(batch.num_envs):
                if not batch.valid[t, b]:
                    continue
                rows += 1
                action, logs, error = int(batch.action[t, b]), log_probs[t, b], targets[t, b] - values[t, b]
                p = np.exp(logs)
                entropy = -(p * logs).sum()
                loss += -advantages[t, b] * logs[action]
                loss += settings.baseline_coef * 0.5 * error**2
                loss -= settings.ent_coef * entropy
                by_logits = -advantages[t, b] * (np.eye(len(p))[action] - p)
                by_logits += settings.ent_coef * p * (logs + entropy)
                gradient["actor.weight"] += np.outer(by_logits, x[t, b])
                gradient["actor.bias"] += by_logits
                gradient["critic.weight"] -= settings.baseline_coef * error * x[t, b]
                gradient["critic.bias"] -= settings.baseline_coef * error
        count = rows if settings.loss_reduction == "mean" else 1
        return loss / count, {name: value / count for name, value in gradient.items()}

    def _log_probs(self, x):
        logits = x @ self.actor.T + self.actor_bias
        return logits - np.log(np.exp(logits).sum(-1, keepdims=True))

    def _estimates(self, batch, settings, log_probs, values):
        """Return targets and advantages; the paper's double sum stands in ``tests.ops.oracle``."""
        taken = np.take_along_axis(log_probs[:-1], batch.action.numpy()[..., None], -1)[..., 0]
        rewards = batch.reward.double().numpy()
        if settings.reward_clip is not None:
            rewards = np.clip(rewards, -settings.reward_clip, settings.reward_clip)
        rows = (
            taken - batch.log_prob.double().numpy(),
            np.where(batch.terminated.numpy(), 0.0, settings.discount),
            rewards,
            values[:-1],
            values[1:],
        )
        found = oracle.vtrace(
            *[torch.from_numpy(np.asarray(x)) for x in rows],
            batch.terminated | batch.truncated,
            batch.valid,
            settings.lambda_,
            settings.clip_rho,
            settings.clip_c,
            settings.clip_pg_rho,
        )
        return [x.numpy() for x in found]
