"""The runtime: the few things that every stage lives by."""
