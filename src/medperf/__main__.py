"""``python -m medperf``: the command line."""

from medperf.cli.main import main

if __name__ == "__main__":
    main()
