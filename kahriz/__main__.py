"""``python -m kahriz``: the command `kahriz`, also where the environment's scripts were moved."""

from kahriz.cli import main

if __name__ == "__main__":
    main()
