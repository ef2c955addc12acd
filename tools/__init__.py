"""The commands, one module each: what a person or a service manager starts.

``tools.cli`` finds the module of a command and imports only that. Each has
``add_arguments(parser)`` and ``run(args) -> int``, which returns an exit code of ``tools.cli`` or
raises one of the typed errors. Commands use core and venues; nothing in those knows that there are commands.
"""
