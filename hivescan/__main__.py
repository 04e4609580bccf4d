"""``python -m hivescan``."""

from hivescan.cli.main import main

if __name__ == "__main__":
    main()
