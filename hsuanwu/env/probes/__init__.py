"""Tiny environments with known answers, for tests and first steps.

Importing this package registers them with gymnasium, so that they are reached by ids such as
``hsuanwu.env.probes:HsuanwuIdentityDiscrete-v0``:

| id | what it asks |
|---|---|
| `HsuanwuIdentityDiscrete-v0` | the action must be the context; best return 100 |
| `HsuanwuTimeLimitValue-v0` | the value is `1 / (1 - discount)` if and only if truncation bootstraps |
| `HsuanwuTerminalValue-v0` | the value of step t is that of the rewards still to come |
| `HsuanwuMemory-v0` | only memory of the first observation earns the reward; best return 1 |
| `HsuanwuCounter-v0` | each observation and reward says what it is |

`HsuanwuIdentity...` are also there for `MultiDiscrete`, `MultiBinary`, `Box` and `Dict`;
`HsuanwuCounterNextStep-v0`, `...SameStep-v0` and `...Disabled-v0` have native vectors that reset in those modes.
``make_identity_dm_env`` and ``make_counter_dm_env`` are factories for ``env=dm_env``.
"""

from __future__ import annotations

import functools

import gymnasium
from gymnasium.vector import AutoresetMode

from hsuanwu.env.probes.counter import CounterDmEnv, CounterEnv, CounterVectorEnv, make_counter_dm_env
from hsuanwu.env.probes.identity import IdentityDmEnv, IdentityEnv, make_identity_dm_env
from hsuanwu.env.probes.memory import MemoryEnv
from hsuanwu.env.probes.value import ValueEnv

__all__ = [
    "CounterDmEnv",
    "CounterEnv",
    "CounterVectorEnv",
    "IdentityDmEnv",
    "IdentityEnv",
    "MemoryEnv",
    "ValueEnv",
    "make_counter_dm_env",
    "make_identity_dm_env",
]


def _register() -> None:
    names = {
        "discrete": "Discrete",
        "multi_discrete": "MultiDiscrete",
        "multi_binary": "MultiBinary",
        "box": "Box",
        "dict": "Dict",
    }
    for kind, name in names.items():
        gymnasium.register(
            f"HsuanwuIdentity{name}-v0", "hsuanwu.env.probes.identity:IdentityEnv", kwargs={"kind": kind}
        )
    gymnasium.register("HsuanwuTimeLimitValue-v0", "hsuanwu.env.probes.value:ValueEnv")
    gymnasium.register(
        "HsuanwuTerminalValue-v0", "hsuanwu.env.probes.value:ValueEnv", kwargs={"terminates": True, "shows_step": True}
    )
    gymnasium.register("HsuanwuMemory-v0", "hsuanwu.env.probes.memory:MemoryEnv")
    gymnasium.register("HsuanwuCounter-v0", "hsuanwu.env.probes.counter:CounterEnv")
    modes = {
        "NextStep": AutoresetMode.NEXT_STEP,
        "SameStep": AutoresetMode.SAME_STEP,
        "Disabled": AutoresetMode.DISABLED,
    }
    for name, mode in modes.items():
        vector = functools.partial(CounterVectorEnv, autoreset_mode=mode)
        gymnasium.register(
            f"HsuanwuCounter{name}-v0", "hsuanwu.env.probes.counter:CounterEnv", vector_entry_point=vector
        )


_register()
