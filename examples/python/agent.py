"""An agent loop: a model is given the tools of vmette-mcp and a task, does what it
sees fit on a desktop of its own, and sees what comes of it.

    python agent.py "Write a poem into a text file and show me the file."

VMETTE_URL is the server, VMETTE_TOKEN a token of its file if it wants one. With
ANTHROPIC_API_KEY the model is the one that MODEL names. Without, a script stands in
for it, which needs no account and does always the same.
"""

import asyncio
import json
import os
import sys
import urllib.request
from datetime import timedelta

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

TURNS = 50  # after which a model is stopped that does not come to an end


class Anthropic:
    """Asks Anthropic's Messages API."""

    def __init__(self, key, model):
        self.key, self.model = key, model

    def ask(self, messages, tools):
        body = {
            "model": self.model,
            "max_tokens": 4096,
            "messages": messages,
            "tools": [{"name": t.name, "description": t.description, "input_schema": t.inputSchema} for t in tools],
        }
        request = urllib.request.Request(
            "https://api.anthropic.com/v1/messages",
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json", "x-api-key": self.key, "anthropic-version": "2023-06-01"},
        )
        with urllib.request.urlopen(request, timeout=300) as response:
            return json.load(response)["content"]

    async def next(self, messages, tools):
        return await asyncio.to_thread(self.ask, messages, tools)


class Script:
    """Writes a file through a terminal, and looks whether it is there."""

    STEPS = [
        ("screenshot", {}),
        ("launch", {"command": "xterm"}),
        ("type", {"text": "echo written by an agent > ~/note.txt\n"}),
        ("read_file", {"path": "~/note.txt"}),
    ]

    def __init__(self):
        self.n = 0

    async def next(self, messages, tools):
        if self.n < len(self.STEPS):
            name, arguments = self.STEPS[self.n]
            self.n += 1
            return [{"type": "tool_use", "id": f"step-{self.n}", "name": name, "input": arguments}]
        seen = json.dumps(messages[-1])
        return [{"type": "text", "text": "The note is there." if "written by an agent" in seen else f"There is no note: {seen}"}]


async def told(progress, total, message):
    print(f"  ... {message}", file=sys.stderr)


async def call(session, use):
    """Calls a tool and returns what the model is to see of the answer."""
    # A first call may have to wait for a desktop; progress says that it goes on.
    result = await session.call_tool(
        use["name"], use["input"], read_timeout_seconds=timedelta(minutes=5), progress_callback=told
    )
    content = []
    for part in result.content:
        if part.type == "text":
            content.append({"type": "text", "text": part.text})
        elif part.type == "image":
            source = {"type": "base64", "media_type": part.mimeType, "data": part.data}
            content.append({"type": "image", "source": source})
    return {"type": "tool_result", "tool_use_id": use["id"], "is_error": bool(result.isError), "content": content}


async def run(session, model, task):
    """Has the model work until it calls no more tools, and returns what it says then."""
    tools = (await session.list_tools()).tools
    messages = [{"role": "user", "content": [{"type": "text", "text": task}]}]
    for _ in range(TURNS):
        answer = await model.next(messages, tools)
        messages.append({"role": "assistant", "content": answer})
        uses = [part for part in answer if part["type"] == "tool_use"]
        if not uses:
            return "".join(part["text"] for part in answer if part["type"] == "text")
        results = []
        for use in uses:
            result = await call(session, use)
            said = next((part["text"] for part in result["content"] if part["type"] == "text"), "")
            print(f"{use['name']} {json.dumps(use['input'])}: {said}", file=sys.stderr)
            results.append(result)
        messages.append({"role": "user", "content": results})
    raise RuntimeError(f"the task is not done after {TURNS} turns")


async def main():
    env = os.environ
    key, token = env.get("ANTHROPIC_API_KEY"), env.get("VMETTE_TOKEN")
    model = Anthropic(key, env.get("MODEL", "claude-sonnet-4-5")) if key else Script()
    task = sys.argv[1] if len(sys.argv) > 1 else "Write a note into the file note.txt in the home directory, with a terminal."
    url = env.get("VMETTE_URL", "http://127.0.0.1:8808/mcp")
    headers = {"Authorization": f"Bearer {token}"} if token else None
    # The session ends with the connection, and the desktop with the session.
    async with streamablehttp_client(url, headers=headers) as (read, write, _):
        async with ClientSession(read, write) as session:
            await session.initialize()
            print(await run(session, model, task))


if __name__ == "__main__":
    asyncio.run(main())
