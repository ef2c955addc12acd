"""The simulated world: the whole engine against the whole exchange, on virtual time."""
