"""The command `prefetch` with a commit for each piece of work: `python -m tests.bench.one_commit run`.

What the daemon would be without group commit; all else is the same.
"""

from __future__ import annotations

from prefetch.cli import main
from prefetch.store import writer

if __name__ == "__main__":
    writer.MOST_IN_A_COMMIT = 1
    main()
