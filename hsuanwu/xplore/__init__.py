"""How an agent explores: distributions over actions, augmentations of observations."""
