"""Simulated worlds: the whole engine against the whole exchange, on virtual time.

Here lives what stands in for the outside (time, network, disk) and nothing of the house itself:
engine, adapter and exchange are the real ones, and do not know.
"""
