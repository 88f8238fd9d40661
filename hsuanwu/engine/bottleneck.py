"""What bounds a run, in words, and what would change it."""

from __future__ import annotations

from collections.abc import Mapping

Shares = Mapping[str, float]

_MUCH = 0.1
_BUSY = 0.9
_IDLE = 0.2
"""Less of a core than this is left to an actor only where its environments wait; other programs take less from it."""
_BOTH_WAITED = 1.1
"""Where one waits only while the other works, the two parts add up to 1 or less."""

_ACTOR_ADVICE = {
    "environment": "more cores with more num_actors, or an environment with a native vector, would help",
    "inference": "more envs_per_actor or a smaller network would help",
    "transport": "more envs_per_actor or smaller observations would help",
}
_ON_ACCELERATOR = (
    "transport=thread, which infers on the accelerator, would help if the environments have a native vector"
)
_LEARNER_ADVICE = {
    "learning": "a larger batch_size or a smaller network would help",
    "transport": "smaller observations, or fewer actors with more envs_per_actor, would help",
    "reporting": "a larger log_interval, checkpoint_interval or eval_interval would help",
}


def shares_in_words(actor: Shares, learner: Shares, num_actors: int) -> str:
    """Return one sentence that says what actors and learner spent their time on.

    Args:
        actor: fraction of an actor's time by activity, mean over actors; adds up to 1.
        learner: fraction of the learner's time by activity; adds up to 1.
        num_actors: actors of the run.
    """
    who = "The actor" if num_actors == 1 else f"Each of {num_actors} actors"
    return f"{who}: {_listed(actor)}. The learner: {_listed(learner)}."


def bottleneck(
    actor: Shares,
    learner: Shares,
    num_actors: int,
    num_cores: int,
    takes_turns: bool = False,
    processor_share: float = 1.0,
    learns_on_cpu: bool = True,
    acts_on_cpu: bool = True,
) -> str:
    """Return one sentence that says what bounds the run and what to change.

    Args:
        actor: fraction of an actor's time by activity, ``waiting`` among them.
        learner: fraction of the learner's time by activity, ``waiting`` among them.
        num_actors: actors of the run.
        num_cores: cores of the machine.
        takes_turns: whether actors and learner share one thread.
        processor_share: of the time that an actor does not wait for a slot, the fraction in which it keeps a core busy,
            or waits for one.
        learns_on_cpu: whether the learner's network is not on an accelerator; what that computes keeps no core busy.
        acts_on_cpu: whether the actors' is not.
    """
    actor_advice = _ACTOR_ADVICE | ({"inference": _ON_ACCELERATOR} if acts_on_cpu and not learns_on_cpu else {})
    actor_wait, learner_wait = actor.get("waiting", 0.0), learner.get("waiting", 0.0)
    if processor_share < _IDLE and _largest(actor) == "environment" and learner_wait > actor_wait:
        with_processes = "transport=process with " if takes_turns else ""
        return (
            f"The environments are the bottleneck, and for {1 - processor_share:.0%} of the time no core is busy with "
            f"them: they wait for something; {with_processes}more num_actors, also more than cores, would help."
        )
    if takes_turns:
        return (
            f"Acting and learning took turns in one process, and acting took {learner_wait:.0%} of the time: "
            f"transport=process does both at once."
        )
    if actor_wait + learner_wait > _BOTH_WAITED:
        return (
            "Actors and learner both waited most of the time: for processes to start, for other programs on the same "
            "cores, or for each other; a longer run, or a larger batch_size or rollout_length, would help."
        )
    acted = _on_cores(actor, None if acts_on_cpu else "inference")
    learnt = _on_cores(learner, None if learns_on_cpu else "learning")
    if num_actors * sum(acted.values()) + sum(learnt.values()) >= _BUSY * num_cores:
        costs = {f"the actors' {name}: {actor_advice[name]}": num_actors * share for name, share in acted.items()}
        costs |= {f"the learner's {name}: {_LEARNER_ADVICE[name]}": share for name, share in learnt.items()}
        return f"All {num_cores} cores are busy, most of all with {max(costs, key=lambda x: costs[x])}."
    if actor_wait < _MUCH and learner_wait < _MUCH:
        return "Actors and learner keep each other busy: both would have to be faster."
    if learner_wait > actor_wait:
        part = _largest(actor)
        return f"The actors are the bottleneck, most of all {part}: {actor_advice[part]}."
    part = _largest(learner)
    return f"The learner is the bottleneck, most of all {part}: {_LEARNER_ADVICE[part]}."


def _listed(shares: Shares) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items())


def _on_cores(shares: Shares, elsewhere: str | None) -> Shares:
    return {name: share for name, share in shares.items() if name not in ("waiting", elsewhere)}


def _largest(shares: Shares) -> str:
    return max((name for name in shares if name != "waiting"), key=lambda name: shares[name])
