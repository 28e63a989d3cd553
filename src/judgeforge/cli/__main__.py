"""``python -m judgeforge.cli``: the command line where the script ``judgeforge`` is not on the path."""

from judgeforge.cli import main

main()
