"""The command ``hivescan``, and ``python -m hivescan``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is loaded ends it in one line, too."""
    try:
        from hivescan.cli.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("hivescan: interrupted\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
