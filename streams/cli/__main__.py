"""Run the command line as ``python -m streams.cli``, for when the console script is not on the PATH."""

from streams.cli.root import main

if __name__ == "__main__":
    main(prog_name="shelfwise")
