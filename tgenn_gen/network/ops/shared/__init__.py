"""Code that several ops share.

A module imports only those above it:

    kernel_checks  the shapes that kernels and windows may have
    sliding        windows that slide over an image
    one_axis       maps on (steps, channels) as maps on images of one row
    axes           maps that move elements along axes
    mixing         maps whose kernel mixes channels
"""
