"""Ground floor: spaces, nests, trajectories, the registry, clocks and seeds."""
