"""`python -m prefetch` is the command `prefetch`, for who has an interpreter and no PATH."""

from prefetch.cli import main

if __name__ == "__main__":
    main()
