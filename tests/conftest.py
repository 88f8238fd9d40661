"""What holds for every test."""

import sys

import torch

# Two workers share few cores; a pool of threads in each would only make them wait for one another.
torch.set_num_threads(1)

try:
    # dm_control logs through absl, whose handler closes its stream when Hydra sets logging up anew, unless
    # that is the process's own: it would close what pytest captures with.
    import absl.logging
except ImportError:
    pass
else:
    absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__
