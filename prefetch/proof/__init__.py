"""Proof before a rule is live: rule tests in YAML, and recorded orders replayed through other rules.

Both run the very code that plans (`planning.matching`, `planning.select`) and move nothing.
"""
