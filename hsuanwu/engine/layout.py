"""Who does how much of a run: which layouts there are, and what speed each promises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

_OF_A_CORE = 0.9
"""What a learner gets of a core that it shares with an actor of lower priority (nice 10)."""
_SLICE_SECONDS = 0.0015
"""What a batch takes longer where processes outnumber cores and wait for each other's time slices."""
_AS_FAST = 0.97
"""Of the best speed: a difference that measurements do not tell from none."""
_SPARE = 0.8
"""Of its time, if a learner needs less for updates, it keeps up with more actors than it waits for."""


@dataclass(frozen=True)
class Layout:
    """How the environments of a batch are spread over actors.

    Attributes:
        num_actors: A.
        envs_per_actor: B, stepped with one forward pass.
        slots_per_actor: k; ``A * k * B`` is at most two batches, so that data are at most two updates old on average,
            or more, of which a transport lends no more than that as long as there are data for the learner.
        learner_threads: of torch, for updates.
    """

    num_actors: int
    envs_per_actor: int
    slots_per_actor: int
    learner_threads: int = 1


@dataclass(frozen=True)
class Costs:
    """What a run spends its time on, in seconds.

    Attributes:
        act: of one step of all environments of an actor that has few, and of one that has many: pairs
            (environments, seconds). Between and beyond them the cost is a straight line.
        learn: of the updates of one batch, by the number of the learner's threads.
        idle: the fraction of the time of acting in which no core is busy, because environments wait for something.
    """

    act: tuple[tuple[int, float], tuple[int, float]]
    learn: Mapping[int, float]
    idle: float = 0.0

    def act_seconds(self, num_envs: int) -> float:
        """Return the seconds of one step of ``num_envs`` environments."""
        (few, few_seconds), (many, many_seconds) = self.act
        slope = (many_seconds - few_seconds) / (many - few) if many > few else 0.0
        return max(few_seconds + slope * (num_envs - few), few_seconds * min(1.0, num_envs / few))


def layouts(
    batch_size: int,
    most_actors: int,
    num_actors: int | None = None,
    envs_per_actor: int | None = None,
    slots_per_actor: int | None = None,
    learner_threads: Sequence[int] = (1,),
) -> Iterator[Layout]:
    """Yield the layouts that fill batches and keep two of them at most in flight; None is free to choose.

    Args:
        batch_size: environments per update.
        most_actors: more are not considered.
        num_actors: if it is given.
        envs_per_actor: if it is given.
        slots_per_actor: if it is given.
        learner_threads: what may be chosen.
    """
    seen = set()
    for actors in [num_actors] if num_actors else range(1, most_actors + 1):
        for in_flight in (batch_size, 2 * batch_size):
            if not (num_actors or envs_per_actor) and in_flight % actors:
                continue
            envs = envs_per_actor or _largest_divisor(batch_size, in_flight // actors)
            if not envs or batch_size % envs:
                continue
            slots = slots_per_actor or max(1, 2 * batch_size // (actors * envs))
            if actors * envs * slots >= batch_size and (actors, envs, slots) not in seen:
                seen.add((actors, envs, slots))
                yield from (Layout(actors, envs, slots, threads) for threads in learner_threads)


def steps_per_second(layout: Layout, costs: Costs, batch_size: int, rollout_length: int, num_cores: int) -> float:
    """Return the speed that a layout promises.

    A learner with one thread and the actors work side by side: the slowest of learner, actors and all cores together
    sets the speed; where there are more of them than cores, a batch has to wait for time slices as well. A learner
    with a thread for each core takes nearly all of each while it learns, as actors have the lower priority: the two
    take turns.

    Args:
        layout: who does what.
        costs: measured on this machine.
        batch_size: environments per update.
        rollout_length: steps of each environment in a slot.
        num_cores: cores of the machine.
    """
    learn = costs.learn[layout.learner_threads] / (batch_size * rollout_length)
    act = costs.act_seconds(layout.envs_per_actor) / layout.envs_per_actor
    busy = act * (1.0 - costs.idle)
    if layout.learner_threads > 1:
        return 1.0 / (learn / _OF_A_CORE + max(busy / min(layout.num_actors, num_cores), act / layout.num_actors))
    together = (learn + busy) / num_cores
    if layout.num_actors + layout.learner_threads > num_cores:
        together += _SLICE_SECONDS / (batch_size * rollout_length)
    return 1.0 / max(learn, act / layout.num_actors, together)


def best_layout(
    candidates: list[Layout], costs: Costs, batch_size: int, rollout_length: int, num_cores: int
) -> tuple[Layout, float]:
    """Return the fastest layout and its speed.

    Of those within 3 % of it, one with more threads, which is never held up by a single core, then the one with
    the fewest environments.

    Args:
        candidates: to choose from.
        costs: measured on this machine.
        batch_size: environments per update.
        rollout_length: steps of each environment in a slot.
        num_cores: cores of the machine.
    """
    speeds = {x: steps_per_second(x, costs, batch_size, rollout_length, num_cores) for x in candidates}
    fastest = max(speeds.values())
    good = [layout for layout, speed in speeds.items() if speed >= _AS_FAST * fastest]
    chosen = min(good, key=lambda x: (-x.learner_threads, x.num_actors * x.envs_per_actor, x.num_actors))
    return chosen, speeds[chosen]


def with_spare_slots(layout: Layout, learn: float, batch_seconds: float, num_cores: int) -> Layout:
    """Return a layout with two slots for each actor where one would make actors wait, and cores with them.

    An actor whose only slot has to wait for the learner leaves its core; where another process waits behind the learner
    for the other one, some time goes by until the system moves it. That matters where a batch takes little longer, and
    where the learner has time left: otherwise its data would only be older.

    Args:
        layout: chosen already.
        learn: seconds of the updates of a batch.
        batch_seconds: what a batch takes in all.
        num_cores: cores of the machine.
    """
    outnumber = layout.num_actors + layout.learner_threads > num_cores > 1 and layout.learner_threads == 1
    is_short = (1 - _AS_FAST) * batch_seconds < _SLICE_SECONDS
    if layout.slots_per_actor == 1 and outnumber and is_short and learn < _SPARE * batch_seconds:
        return replace(layout, slots_per_actor=2)
    return layout


def _largest_divisor(number: int, most: int) -> int:
    """Return the largest divisor of ``number`` that is ``most`` or less; 0 if there is none."""
    return max((x for x in range(1, min(number, most) + 1) if number % x == 0), default=0)
