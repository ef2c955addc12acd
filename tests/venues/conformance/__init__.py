"""One suite that every venue passes: a folder under ``venues`` appears, and it is run for it.

Here live the laws that all adapters keep, and what a venue shows of itself so that they can be
tried on it. What only one venue does is tested in its own folder.
"""
