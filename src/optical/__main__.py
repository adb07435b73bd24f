"""``python -m optical``: the command line."""

from optical.cli import main

main()
