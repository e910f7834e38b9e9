"""``python -m xai4land``: the command line."""

from xai4land.cli import main

if __name__ == "__main__":
    main()
