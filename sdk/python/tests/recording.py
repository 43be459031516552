"""`python -m tests.recording URL SPOOL SOURCE`: records for ever, a dot for each event recorded.

The test that starts it kills it, and knows from the dots how many `record` calls had returned.
"""

from __future__ import annotations

import itertools
import os
import sys

from tests.common import KEY, QUICK
from tollbook import Client


def main(url: str, spool: str, source: str) -> None:
    client = Client(
        url, KEY, spool=spool, source=source, retry=QUICK, batch_events=50, batch_seconds=0.01
    )
    for number in itertools.count():
        client.record("t", "s", {"n": number}, id=str(number))
        os.write(1, b".")


if __name__ == "__main__":
    main(*sys.argv[1:])
