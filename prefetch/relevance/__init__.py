"""PURE: which earlier studies matter to an order: what each is of, and how well they compare.

`describe` reads texts and codes with the vocabulary's words; `grade` looks two descriptions up in the tables.
"""

from prefetch.relevance.description import Description, describe
from prefetch.relevance.grading import Grade, Worth, grade

__all__ = ["Description", "Grade", "Worth", "describe", "grade"]
