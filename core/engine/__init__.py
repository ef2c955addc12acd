"""The turns, and the components around them, one question each: they move ``core.state``."""
