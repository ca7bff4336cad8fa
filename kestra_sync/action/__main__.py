"""``python -m kestra_sync.action``, and what ``action.yml`` runs by its path.

By the path, with ``python -I``: ``-m`` would look for modules in the working directory first, and
that is the checkout of the author of the pull request.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    if not __package__:
        sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

    from kestra_sync.action.action import main

    sys.exit(main())
