"""`python -m pyautograd` is the command line."""

from pyautograd.cli import main

if __name__ == "__main__":
    main()
