"""IMPALA: one learner that corrects the lag of many actors (Espeholt et al. 2018, arXiv 1802.01561)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from hsuanwu.common.clock import Clock
from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest, leaves, map_nest
from hsuanwu.common.outside import refuse_outside
from hsuanwu.common.registry import NO_KWARGS, register
from hsuanwu.common.spaces import ACTION_FORMS, Dict, Space, SpaceLike, as_space
from hsuanwu.common.trajectory import Trajectory, as_trajectory
from hsuanwu.ops.schedules import schedule
from hsuanwu.xploit.encoder import Encoder, default_encoder
from hsuanwu.xploit.learner.base import Learner
from hsuanwu.xploit.learner.impala_loss import impala_loss
from hsuanwu.xploit.learner.impala_settings import ImpalaSettings, default_of
from hsuanwu.xploit.learner.optimizer import as_device, make_optimizer
from hsuanwu.xploit.policy import FeedForwardPolicy, LstmPolicy, Policy
from hsuanwu.xploit.policy.initialization import initialize
from hsuanwu.xplore.augmentation.base import Augmentation
from hsuanwu.xplore.distribution import Distribution, default_distribution

_LARGE = 1e15
"""Size from which products and sums of squares may leave float32."""

_LOCK = Lock()


@register("learner", "impala")
class IMPALALearner(Learner):
    """An actor, a learner and an optimizer, complete and usable at once.

    Args:
        observation_space: the observations, in dict form or any form that ``as_space`` takes.
        action_space: the actions: Discrete, Box of floats, MultiDiscrete or MultiBinary.
        device: where ``learner`` lives, ``"cpu"`` or ``"cuda:0"`` say; ``actor`` lives on the CPU.
        feature_dim: size of the encoder's features, and of the LSTM's state.
        lr: learning rate at the start.
        eps: the optimizer's epsilon, where it has one; RMSprop and Adam add it to the root of the mean square.
        use_lstm: whether the policy has memory; it then reads the last action and reward too.
        ent_coef: weight of the entropy bonus.
        baseline_coef: weight of the value loss.
        max_grad_norm: gradients are scaled down to this norm; ``inf`` leaves them alone.
        discount: gamma, in [0, 1].
        encoder: from observations to features; None takes the default one for the space.
        distribution: family of the actions; None takes the default one for the space.
        augmentation: changes the observations that the learner sees; None for no change.
        policy: the network itself; None makes a ``FeedForwardPolicy``, or an ``LstmPolicy`` where ``use_lstm``,
            of the modules above.
        optimizer: name of a class in ``torch.optim``.
        optimizer_kwargs: more arguments of it, ``{"momentum": 0.9}`` say.
        lr_schedule: ``"constant"``, ``"linear"`` or ``"cosine"``, over the environment steps of the run.
        ent_coef_schedule: likewise for ``ent_coef``, where a trainer calls ``scheduled``.
        init: ``"default"``, torch's own, or ``"orthogonal"`` weights of gain sqrt(2), 0.01 in the head of the actions
            and 1 in that of the value, and biases of 0.
        loss_reduction: ``"sum"`` over the rows of a batch, as in the paper, or their ``"mean"``.
        reward_clip: rewards are clipped to ``[-reward_clip, reward_clip]`` in the loss; None leaves them raw.
        normalize_reward: whether rewards are divided by the running root mean square of their discounted sums (see
            ``hsuanwu.ops.moments.return_scale``), and cut off at 10; values and losses are in those units.
        bound_coef: weight of the squared distance of the mode of an action from its bounds (``Distribution.excess``).
            Rewards are the same all the way out there, so that means wander off and do not come back; a little
            keeps them. 0 is the paper's loss; actions without bounds have no other.
        lambda_: V-trace's lambda, in [0, 1].
        clip_rho: V-trace's rho-bar: bounds the fixed point.
        clip_c: V-trace's c-bar: bounds the trace.
        clip_pg_rho: bound of the ratio in the policy gradient.

    Raises:
        ConfigurationError: if an argument is out of range or a module does not fit its space.

    Example:
        >>> learner = IMPALALearner({"shape": (4,)}, {"shape": (2,), "type": "Discrete", "range": [0, 1]},
        ...                         "cpu", 64, 5e-4, 0.01, False, 0.01, 0.5, 40.0, 0.99)
        >>> learner.actor.init_state(3)
        ()
    """

    def __init__(
        self,
        observation_space: SpaceLike,
        action_space: SpaceLike,
        device: torch.device | str,
        feature_dim: int,
        lr: float = 6e-4,
        eps: float = 0.01,
        use_lstm: bool = False,
        ent_coef: float = 0.01,
        baseline_coef: float = 0.5,
        max_grad_norm: float = 40.0,
        discount: float = 0.99,
        *,
        encoder: Encoder | None = None,
        distribution: Distribution | None = None,
        augmentation: Augmentation | None = None,
        policy: Policy | None = None,
        optimizer: str = "RMSprop",
        optimizer_kwargs: dict[str, Any] | None = NO_KWARGS,
        lr_schedule: str = "linear",
        ent_coef_schedule: str = "constant",
        init: str = "default",
        loss_reduction: str = "sum",
        reward_clip: float | None = None,
        normalize_reward: bool = False,
        bound_coef: float = 0.05,
        lambda_: float = 1.0,
        clip_rho: float = 1.0,
        clip_c: float = 1.0,
        clip_pg_rho: float = 1.0,
    ) -> None:
        clips, rest = (lambda_, clip_rho, clip_c, clip_pg_rho), (loss_reduction, reward_clip, normalize_reward)
        ImpalaSettings(ent_coef, baseline_coef, max_grad_norm, discount, *clips, *rest, bound_coef)  # fails now
        self._schedule = schedule(lr_schedule, "learner.lr_schedule")
        self._ent_coef_schedule = schedule(ent_coef_schedule, "learner.ent_coef_schedule")
        observation_space, action_space = as_space(observation_space, "observation_space"), _flat_space(action_space)
        if policy is None:
            policy = (LstmPolicy if use_lstm else FeedForwardPolicy)(
                encoder if encoder is not None else default_encoder(observation_space, feature_dim),
                distribution if distribution is not None else default_distribution(action_space),
                feature_dim,
                augmentation,
            )
        initialize(_checked_recurrence(policy, use_lstm), init)
        self.device = as_device(device)
        self.actor = _policy_that_acts(policy, self.device)
        self.learner: Policy = policy.to(self.device)
        self.optimizer = make_optimizer(optimizer, self.learner.parameters(), lr, eps, optimizer_kwargs)
        self.train()

    def make_lr_scheduler(self, clock: Clock) -> LRScheduler:
        return LambdaLR(self.optimizer, lambda _: self._schedule(clock.fraction))

    def scheduled(self, cfgs: Mapping[str, Any], fraction: float) -> Mapping[str, Any]:
        settings = cfgs["learner"]
        ent_coef = settings.get("ent_coef", default_of(type(self), "ent_coef")) * self._ent_coef_schedule(fraction)
        return {**cfgs, "learner": {**settings, "ent_coef": ent_coef}}

    @classmethod
    def update(
        cls,
        cfgs: Any,
        actor_model: Policy,
        learner_model: Policy,
        batch: Trajectory | Mapping[str, Any],
        init_actor_states: Nest,
        optimizer: Optimizer,
        lr_scheduler: LRScheduler | None,
        lock: Lock = _LOCK,
    ) -> dict[str, float]:
        """Learn from one batch, publish the new weights into ``actor_model`` and return metrics.

        Args:
            cfgs: has a section ``learner`` with the hyper-parameters of this class; what it leaves out
                takes the constructor's default.
            actor_model: the policy that acts; overwritten with the new weights.
            learner_model: the policy that is trained.
            batch: a Trajectory, or a mapping of its fields; moved to the device of ``learner_model``.
            init_actor_states: recurrent state before row 0, ``[B, ...]`` leaves; ``()`` or None without.
            optimizer: steps ``learner_model``.
            lr_scheduler: stepped once after the optimizer; None for no schedule.
            lock: held from the gradient to the publication, so that threads may share the models.

        Returns:
            ``loss`` and its parts, ``entropy`` (nats), ``value``, ``explained_variance``, ``rho`` (mean
            importance ratio), ``rho_clipped_fraction``, ``gradient_norm`` (before clipping) and
            ``learning_rate``.

        Raises:
            ConfigurationError: if the batch or a hyper-parameter is not what it should be.
            FloatingPointError: if the gradient is not finite; the weights stay as they were.
        """
        settings = ImpalaSettings.read(cfgs, cls)
        device = next(learner_model.parameters()).device
        batch = as_trajectory(batch).to(device)
        state = _checked_state(init_actor_states, learner_model, batch.num_envs, device)
        with lock:
            learner_model.observe(batch.observation)
            loss, report = impala_loss(learner_model, batch, state, settings)
            optimizer.zero_grad()
            loss.backward()
            report["gradient_norm"] = nn.utils.clip_grad_norm_(learner_model.parameters(), settings.max_grad_norm)
            if not torch.isfinite(report["gradient_norm"]):
                cause = _culprit(batch, learner_model.distribution.action_space)
                raise FloatingPointError(
                    f"the gradient is not finite (loss {loss.item()}), {cause}; no weight was changed"
                )
            learning_rate = optimizer.param_groups[0]["lr"]
            optimizer.step()
            if lr_scheduler is not None:
                lr_scheduler.step()
            _publish(learner_model, actor_model)
        values = torch.stack([value.detach() for value in report.values()]).tolist()
        return dict(zip(report, values, strict=True)) | {"learning_rate": learning_rate}


def _policy_that_acts(policy: Policy, device: torch.device) -> Policy:
    """Return a copy on the CPU, in memory that weights reach from ``device`` without a stop on the way."""
    actor = copy.deepcopy(policy).requires_grad_(False)
    return actor._apply(torch.Tensor.pin_memory) if device.type == "cuda" else actor


def _flat_space(action_space: SpaceLike) -> Space:
    """Return the space of actions, if it is one that distributions know."""
    space = as_space(action_space, "action_space")
    if isinstance(space, Dict):
        raise ConfigurationError(f"action_space: Dict actions are not supported; {ACTION_FORMS}")
    return space


def _checked_recurrence(policy: Policy, use_lstm: bool) -> Policy:
    """Return a policy, if it is recurrent where it has to be."""
    if use_lstm and not any(leaves(policy.state_spec)):
        raise ConfigurationError(
            f"learner.use_lstm: found true, but {type(policy).__name__} has no recurrent state; use false, "
            "or no policy for an LSTM"
        )
    return policy


def _culprit(batch: Trajectory, action_space: Space) -> str:
    """Return what a gradient that is not finite may come from."""
    cures = {"observation": "normalize_observation=true", "reward": "learner.reward_clip=1.0"}
    for name, tensors in {"observation": list(leaves(batch.observation)), "reward": [batch.reward]}.items():
        if not all(bool(x.isfinite().all()) for x in tensors):
            return f"for not every {name} of the environment is finite"
        largest = max((float(x.abs().max()) for x in tensors if x.is_floating_point() and x.numel()), default=0.0)
        if largest > _LARGE:
            return f"for the largest {name} is {largest:g}, too large to compute with in float32; use {cures[name]}"
    try:
        refuse_outside(action_space, _zero_unless(batch.valid, batch.action), "batch.action")
        refuse_outside(action_space, _zero_unless(~batch.is_first, batch.last_action), "batch.last_action")
    except (ConfigurationError, FloatingPointError) as error:
        return f"for {error}"
    return "though observations and rewards are; lower learner.lr or learner.max_grad_norm"


def _zero_unless(mask: Tensor, x: Tensor) -> Tensor:
    """Return ``x``, ``[T, B, ...]``, with zeros where ``mask``, ``[T, B]``, is False."""
    return torch.where(mask.view(*mask.shape, *[1] * (x.dim() - 2)), x, 0)


@torch.no_grad()
def _publish(learner_model: Policy, actor_model: Policy) -> None:
    """Copy the weights; ``load_state_dict`` would spend more time on names than on numbers."""
    weights, targets = learner_model.state_dict(), actor_model.state_dict()
    device = next(learner_model.parameters()).device
    on_gpu = device.type == "cuda"
    torch._foreach_copy_(list(targets.values()), [weights[name] for name in targets], non_blocking=on_gpu)
    if on_gpu:
        torch.cuda.current_stream(device).synchronize()


def _checked_state(state: Nest, policy: Policy, num_envs: int, device: torch.device) -> Nest:
    """Return a recurrent state on ``device`` if it is one of ``policy`` for ``num_envs`` environments."""
    expected = [(num_envs, *spec.shape) for spec in leaves(policy.state_spec)]
    state = () if state is None else state
    found = [tuple(x.shape) for x in leaves(state)]
    if found != expected:
        raise ConfigurationError(
            f"init_actor_states: found shapes {found}, expected {expected}; actor.init_state({num_envs}) makes one"
        )
    return map_nest(lambda x: x.to(device), state)
