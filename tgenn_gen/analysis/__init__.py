"""Measures a converted network: how it agrees with its ANN layer by layer, and what it costs. It writes no files.

A module imports only those above it:

    devices  what operations cost on devices
    cost     operations, sparsity and memory by NeuroBench's rules
"""
