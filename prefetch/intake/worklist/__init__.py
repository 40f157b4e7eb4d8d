"""Worklists: what their items say of exams, and what has changed since the last answer."""
