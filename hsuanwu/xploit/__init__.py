"""How an agent exploits what it has seen: encoders, storages, policies and learners."""
