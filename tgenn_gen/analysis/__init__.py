"""Measures a converted network: agreement with its ANN layer by layer, and cost. It writes no files.

A module imports only those above it:

    devices              what operations cost on devices
    cost                 operations, sparsity and memory by NeuroBench's rules
    cost_table           costs as tables and JSON
    reference            the ANN that a network is compared with
    verification         each population beside the ANN's layer
    verification_report  verifications as a table, a verdict and JSON
"""
