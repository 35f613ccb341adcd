"""`python -m segtile`."""

from segtile.cli.main import main

main()
