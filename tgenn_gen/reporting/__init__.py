"""A network and its measures as one HTML page. It measures nothing itself.

A module imports only those above it:

"""
