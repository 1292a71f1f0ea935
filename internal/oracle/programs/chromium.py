"""A Chromium that shows one page, which reports what it sees through DevTools.

DevTools speaks over two pipes, file descriptors 3 and 4 of the browser: messages
of JSON, each ended by a NUL. No port is opened.
"""

import json
import os
import subprocess
import sys
import tempfile

from report import config, report


class DevTools:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.buffer = b""
        self.last = 0

    def send(self, method, session=None, **params):
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.writer, data) :]
        return self.last

    def next(self):
        """Returns the next message, or ends the program with the browser."""
        while b"\0" not in self.buffer:
            data = os.read(self.reader, 1 << 20)
            if not data:
                sys.exit("the browser has ended")
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def call(self, method, session=None, **params):
        number = self.send(method, session, **params)
        while True:
            message = self.next()
            if message.get("id") == number:
                if "error" in message:
                    sys.exit(f"{method}: {message['error']}")
                return message["result"]

    def page(self):
        """Returns the number of the page once it is there.

        While another one is, it has an address already, but no title.
        """
        self.call("Target.setDiscoverTargets", discover=True)
        while True:
            for target in self.call("Target.getTargets")["targetInfos"]:
                if target["type"] == "page" and target["title"]:
                    return target["targetId"]
            while self.next().get("method") not in ("Target.targetCreated", "Target.targetInfoChanged"):
                pass


def start():
    profile = tempfile.mkdtemp(dir=os.getcwd())
    page = os.path.join(os.getcwd(), "chromium.html")
    command_read, command_write = os.pipe()
    answer_read, answer_write = os.pipe()

    def inherit():
        # Out of the way first, as either may be 3 or 4 already.
        command, answer = os.dup2(command_read, 20), os.dup2(answer_write, 21)
        os.dup2(command, 3)
        os.dup2(answer, 4)
        os.closerange(5, 22)

    flags = [
        "--remote-debugging-pipe",
        "--kiosk",
        "--no-first-run",
        "--no-default-browser-check",
        "--password-store=basic",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-breakpad",
        "--disable-gpu",
        "--user-data-dir=" + profile,
    ]
    if os.getuid() == 0:
        flags.append("--no-sandbox")
    subprocess.Popen(
        ["chromium", *flags, "--app=file://" + page],
        stdin=subprocess.DEVNULL,
        stdout=2,
        preexec_fn=inherit,
        close_fds=False,
    )
    os.close(command_read)
    os.close(answer_write)
    return DevTools(answer_read, command_write)


devtools = start()
target = devtools.page()
session = devtools.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
devtools.call("Runtime.enable", session)
devtools.call("Runtime.addBinding", session, name="send")
begin = """(() => {
  const start = () => begin(%s);
  document.readyState === "complete" ? start() : addEventListener("load", start);
})()""" % json.dumps(config)
devtools.send("Runtime.evaluate", session, expression=begin)
while True:
    message = devtools.next()
    if message.get("method") == "Runtime.bindingCalled":
        event = json.loads(message["params"]["payload"])
        report(event.pop("kind"), **event)
    elif message.get("method") == "Runtime.exceptionThrown" or message.get("result", {}).get("exceptionDetails"):
        report("failed", text=json.dumps(message))
