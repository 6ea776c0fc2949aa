"""``python -m streams.cli``: the command line where the console script is not on the path."""

from streams.cli.root import main

if __name__ == "__main__":
    main(prog_name="shelfwise")
