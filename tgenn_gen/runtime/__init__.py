"""What generated scripts run on: modules that import NumPy alone.

The generator copies functions from here into the scripts word for word (:mod:`tgenn_gen.lower`),
and the package's own engine (:mod:`tgenn_gen.reference`) calls them, so there is one copy of each.
Everything in this folder must therefore stand on its own: the standard library and NumPy.
"""
