"""The commands, one module each, and what one needs from outside: arguments, files, exit codes.

``tools.cli`` finds the module of a command and imports only that. Each has
``add_arguments(parser)`` and ``run(args) -> int``, which returns an exit code of ``tools.cli`` or
raises one of the typed errors. Commands use core and venues; nothing in those knows of commands.
"""
