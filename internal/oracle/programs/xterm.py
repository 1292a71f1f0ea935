"""An xterm with a program in it that reports what arrives there.

The program starts an xterm that runs the program again, with a pipe to it.
"""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import tty

from report import config, record, report, screen

FENCE, CLEAR = b"\x1b[19~", b"\x1b[20~"
MODIFIERS = [(1, "shift"), (4, "ctrl"), (2, "alt")]

FOCUS = b"\x1b[?1004h"
# Any motion, in pixels, with the numbers of buttons; is that so; keys with all
# of their modifiers.
EVERYTHING = b"\x1b[?1003h\x1b[?1006h\x1b[?1016h\x1b[?1016$p\x1b[>4;2m"
OPEN = b"\x1b[1t"  # no icon any more

SEQUENCE = re.compile(
    rb"\x1b\[<(?P<mouse>\d+;-?\d+;-?\d+)(?P<end>[Mm])"
    rb"|\x1b\[(?P<focus>[IO])"
    rb"|\x1b\[\?1016;(?P<pixels>\d)\$y"
    rb"|\x1b\[27;(?P<modified>\d+;\d+)~"
    rb"|(?P<key>\x1b\[[0-9;]*[~A-Za-z]|\x1bO[A-Za-z]|\x1b(?=\x1b)|\x1b[^\[O\x1b])"
)
# What may become a sequence with the next bytes.
PARTIAL = re.compile(rb"\x1b(\[[<?0-9;$-]*|O)?$")


class Terminal:
    def __init__(self):
        self.text = b""
        self.buffer = b""
        self.size = None
        self.focus = False
        self.ready = False

    def feed(self, data):
        self.buffer += data
        while self.buffer:
            if match := SEQUENCE.match(self.buffer):
                self.buffer = self.buffer[match.end() :]
                self.sequence(match)
            elif PARTIAL.match(self.buffer):
                return
            else:
                end = self.buffer.find(b"\x1b", 1)
                end = len(self.buffer) if end < 0 else end
                plain, self.buffer = self.buffer[:end], self.buffer[end:]
                self.text += plain
                for character in plain.decode("utf-8", "replace"):
                    record("keydown", key=character)

    def sequence(self, match):
        if match["mouse"]:
            self.mouse(*map(int, match["mouse"].split(b";")), match["end"] == b"M")
        elif match["focus"]:
            self.focus = match["focus"] == b"I"
            self.settled()
        elif match["pixels"]:
            if match["pixels"] == b"0":
                report("failed", text="this xterm cannot report the pointer in pixels")
        elif match["modified"]:
            self.modified(*map(int, match["modified"].split(b";")))
        elif match["key"] in (FENCE, CLEAR):
            if match["key"] == CLEAR:
                self.text = b""
            text = self.text.decode("utf-8", "surrogateescape").replace("\r", "\n")
            report("fence", text=text, line="")
        else:
            record("keydown", key=match["key"].decode("utf-8", "replace"))

    def modified(self, code, point):
        """Gets a key that xterm would not have told apart from another."""
        held = modifiers(code - 1)
        if held in ([], ["shift"]):
            held = []  # as with most others of these, the character says it
            self.text += chr(point).encode()
        record("keydown", key=chr(point), modifiers=held)

    def mouse(self, code, x, y, down):
        at = {"x": x - 1, "y": y - 1, "modifiers": modifiers(code >> 2)}
        number = code & 3 | (code & 0xC0)
        if code & 32:
            record("motion", **at)
        elif 64 <= number < 68:
            dx, dy = [(0, -1), (0, 1), (-1, 0), (1, 0)][number - 64]
            if down:
                record("wheel", dx=dx, dy=dy, **at)
        else:
            button = number + 1 if number < 64 else number - 128 + 8
            record("press" if down else "release", button=button, **at)

    def settled(self):
        """Says once that the terminal covers the screen and has the focus."""
        if not self.ready and self.focus and pixels() == screen:
            self.ready = True
            report("ready")


def modifiers(bits):
    return [name for bit, name in MODIFIERS if bits & bit]


def pixels():
    """Returns the size of the terminal."""
    size = fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8)
    return list(struct.unpack("HHHH", size)[2:])


def inside(pipe):
    os.dup2(os.open(pipe, os.O_WRONLY), 1)
    terminal = Terminal()
    resized, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGWINCH, lambda *_: None)
    tty.setraw(0)
    os.write(0, FOCUS + (b"" if config["quiet"] else EVERYTHING) + OPEN)
    while True:
        ready, _, _ = select.select([0, resized], [], [])
        if resized in ready:
            os.read(resized, 64)
            terminal.settled()
        if 0 in ready:
            terminal.feed(os.read(0, 65536))


def outside():
    pipe = os.path.join(tempfile.mkdtemp(dir="."), "reports")
    os.mkfifo(pipe)
    settings = {
        "fullscreen": "always",
        "internalBorder": "0",
        "borderWidth": "0",
        "scrollBar": "false",
        "omitTranslation": "popup-menu,reset,select",
        # Of what goes with "select", the key that pastes.
        "VT100.translations": "#override Shift <KeyPress> Insert: insert-selection(SELECT, CUT_BUFFER0)",
        "metaSendsEscape": "true",
        "utf8": "1",
        "locale": "false",
        "allowMouseOps": "true",
        "allowWindowOps": "true",
    }
    options = [word for name, value in settings.items() for word in ("-xrm", f"XTerm*{name}: {value}")]
    # As an icon, so that the program inside sees it get the focus.
    xterm = subprocess.Popen(["xterm", "-iconic", *options, "-e", sys.executable, __file__, sys.argv[1], pipe], stdout=2)
    with open(pipe, "rb", buffering=0) as reports:
        while data := reports.read(65536):
            while data:
                data = data[os.write(1, data) :]
    sys.exit(xterm.wait())


if len(sys.argv) > 2:
    inside(sys.argv[2])
else:
    outside()
