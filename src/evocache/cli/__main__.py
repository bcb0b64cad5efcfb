"""`python -m evocache.cli`: the same as `python -m evocache`."""

from . import main

if __name__ == "__main__":
    main()
