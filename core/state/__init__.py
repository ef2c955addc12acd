"""Machines: one noun each, synchronous, time is an argument, and none imports another."""
