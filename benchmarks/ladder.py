"""The tasks that the shipped recipes have to learn, and how well."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """A return to reach.

    Attributes:
        least: the median over seeds must be this or more.
        at: environment steps at which training episodes are looked at; None for the evaluation at the end.
    """

    least: float
    at: int | None = None


@dataclass(frozen=True)
class Task:
    """One rung.

    Attributes:
        recipe: its name in ``cfgs/experiment``.
        bars: what to reach.
        published: what others report, and who.
        seeds: of the runs that count.
    """

    recipe: str
    bars: tuple[Bar, ...]
    published: str
    seeds: tuple[int, ...] = (1, 2, 3)


_ZOO = "RL Zoo"

LADDER = (
    Task("impala_cartpole", (Bar(475),), f"A2C 500 at 500k ({_ZOO})"),
    Task("impala_acrobot", (Bar(-90),), f"A2C -83 at 500k ({_ZOO})"),
    Task("impala_lunarlander", (Bar(200),), f"v2: A2C 156 at 200k, PPO 242 at 1M ({_ZOO})"),
    Task("impala_mountaincar", (Bar(88),), f"A2C 91 at 100k, PPO 88 at 20k ({_ZOO})"),
    Task("impala_pendulum", (Bar(-200),), f"A2C -163 at 1M, PPO -172 at 100k ({_ZOO})"),
    Task("impala_cartpole_memory", (Bar(450),), ""),
    Task("impala_memory_length", (Bar(0.9),), "the best possible return is 1: 95% right are 0.9"),
    Task("impala_dmc_cartpole", (Bar(950),), ""),
    Task("impala_dmc_cheetah", (Bar(300),), ""),
    Task("impala_minatar_breakout", (Bar(10, 1_000_000), Bar(17)), ""),
    Task("impala_minatar_space_invaders", (Bar(100),), ""),
    Task("impala_minatar_freeway", (Bar(40),), ""),
    Task("impala_pong", (Bar(18),), f"A2C 17 at 10M, PPO 21 at 10M ({_ZOO})", (1,)),
    Task("impala_breakout", (Bar(100),), f"A2C 280 at 10M, PPO 398 at 10M ({_ZOO})", (1,)),
    Task("impala_minigrid_doorkey", (Bar(0.9),), ""),
)
