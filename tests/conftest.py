"""What holds for every test."""

import torch

# Two workers share few cores; a pool of threads in each would only make them wait for one another.
torch.set_num_threads(1)
