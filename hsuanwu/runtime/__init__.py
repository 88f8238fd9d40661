"""Who runs where: actors, versioned weights, transports."""
