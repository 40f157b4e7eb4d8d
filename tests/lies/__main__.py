"""`python -m tests.lies`: let every archive lie, and write what came of it into the manual."""

from __future__ import annotations

from tests.lies import page, run

if __name__ == "__main__":
    written = page.with_lies(page.PAGE.read_text(encoding="utf-8"), run.observe())
    page.PAGE.write_text(written, encoding="utf-8")
