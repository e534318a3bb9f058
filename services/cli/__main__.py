"""`python -m services.cli` is the `undertone` command."""

from services.cli.main import main

if __name__ == "__main__":
    main()
