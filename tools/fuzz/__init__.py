"""Fuzzing: any bytes from outside give events, or the one typed error that was promised.

Here live the mutations (``mutation``), who reads bytes from outside and what each of them may
answer with (``targets``), and the command (``__main__``). Nothing here is used by a run.
"""
