"""The store that is the queue (design, section 4): SQLAlchemy Core on SQLite or PostgreSQL.

Statements are plain blocking functions that take a `Connection` first; `Database` runs them.
"""
