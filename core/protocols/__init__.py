"""Bytes to frames and back, one protocol a module. No I/O, no clock, no venue in here."""
