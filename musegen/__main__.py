"""`python -m musegen` is `musegen`."""

from musegen.cli import main

if __name__ == "__main__":
    main()
