"""Hostile bytes for every reader of bytes from outside: few seeds here, any number by a command."""
