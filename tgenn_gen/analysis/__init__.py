"""Measures a converted network: how it agrees with its ANN layer by layer, and its cost. It writes no files.

A module imports only those above it:

    reference            the ANN that a network is compared with
    verification         each population beside the ANN's layer
    verification_report  verifications as a table, a verdict and JSON
"""
