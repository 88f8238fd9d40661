"""Hydra configs. Importing this package makes the registry's modules known to Hydra as group options.

So an application that has ``pkg://hsuanwu.cfgs`` on its search path can write ``learner: impala`` in
its own defaults list.
"""

from hsuanwu.engine.config import register_groups

register_groups()
