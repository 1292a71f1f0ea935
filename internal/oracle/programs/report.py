"""What the applications have in common: their configuration and their reports."""

import json
import os
import sys
import threading

config = json.loads(sys.argv[1])
screen = config["screen"]

FENCE = "F8"  # reports the texts
CLEAR = "F9"  # empties them first, and focuses the first one

_lock = threading.Lock()


def report(kind, **fields):
    """Writes one event as a line. A reader that has gone away ends the program."""
    line = json.dumps(dict(fields, kind=kind)).encode() + b"\n"
    with _lock:
        try:
            while line:
                line = line[os.write(1, line) :]
        except BrokenPipeError:
            os._exit(0)


def record(kind, **fields):
    """Reports an event that a quiet application keeps to itself."""
    if not config["quiet"]:
        report(kind, **fields)
