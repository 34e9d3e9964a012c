"""Compares networks, summarizes arrays, reads documents from git revisions.

A module imports only those above it:

    array_summary  the numbers of a .npy file
    revisions      documents in git revisions
    network_diff   the differences between two networks
    diff_report    differences as text and JSON
"""
