// An agent loop: a model is given the tools of vmette-mcp and a task, does what it
// sees fit on a desktop of its own, and sees what comes of it.
//
//   node agent.ts "Write a poem into a text file and show me the file."
//
// VMETTE_URL is the server, VMETTE_TOKEN a token of its file if it wants one. With
// ANTHROPIC_API_KEY the model is the one that MODEL names. Without, a script stands
// in for it, which needs no account and does always the same.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

type Text = { type: 'text'; text: string };
type Image = { type: 'image'; source: { type: 'base64'; media_type: string; data: string } };
type ToolUse = { type: 'tool_use'; id: string; name: string; input: Record<string, unknown> };
type ToolResult = { type: 'tool_result'; tool_use_id: string; is_error?: boolean; content: (Text | Image)[] };
type Message = { role: 'user' | 'assistant'; content: (Text | ToolUse | ToolResult)[] };
type Tool = { name: string; description?: string; inputSchema: object };

// A model answers a conversation with what it says and the tools that it wants
// called.
type Model = (messages: Message[], tools: Tool[]) => Promise<(Text | ToolUse)[]>;

// anthropic asks Anthropic's Messages API.
function anthropic(key: string, model: string): Model {
  return async (messages, tools) => {
    const response = await fetch('https://api.anthropic.com/v1/messages', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': key, 'anthropic-version': '2023-06-01' },
      body: JSON.stringify({
        model,
        max_tokens: 4096,
        messages,
        tools: tools.map((t) => ({ name: t.name, description: t.description, input_schema: t.inputSchema })),
      }),
    });
    if (!response.ok) throw new Error(`the model answers ${response.status}: ${await response.text()}`);
    const { content } = (await response.json()) as { content: (Text | ToolUse)[] };
    return content;
  };
}

// script writes a file through a terminal, and looks whether it is there.
function script(): Model {
  const steps: [tool: string, input: Record<string, unknown>][] = [
    ['screenshot', {}],
    ['launch', { command: 'xterm' }],
    ['type', { text: 'echo written by an agent > ~/note.txt\n' }],
    ['read_file', { path: '~/note.txt' }],
  ];
  let n = 0;
  return async (messages) => {
    if (n < steps.length) {
      const [name, input] = steps[n++];
      return [{ type: 'tool_use', id: `step-${n}`, name, input }];
    }
    const seen = JSON.stringify(messages.at(-1));
    return [{ type: 'text', text: seen.includes('written by an agent') ? 'The note is there.' : `There is no note: ${seen}` }];
  };
}

// call calls a tool and returns what the model is to see of the answer.
async function call(client: Client, use: ToolUse): Promise<ToolResult> {
  const result = await client.callTool(
    { name: use.name, arguments: use.input },
    // A first call may have to wait for a desktop; progress says that it goes on.
    { timeout: 120_000, resetTimeoutOnProgress: true, onprogress: ({ message }) => console.error(`  ... ${message}`) },
  );
  const content: (Text | Image)[] = [];
  for (const part of result.content) {
    if (part.type === 'text') content.push({ type: 'text', text: part.text });
    if (part.type === 'image') content.push({ type: 'image', source: { type: 'base64', media_type: part.mimeType, data: part.data } });
  }
  return { type: 'tool_result', tool_use_id: use.id, is_error: result.isError === true, content };
}

// run has the model work until it calls no more tools, and returns what it says
// then. A model that does not come to an end is stopped.
async function run(client: Client, model: Model, task: string, turns = 50): Promise<string> {
  const { tools } = await client.listTools();
  const messages: Message[] = [{ role: 'user', content: [{ type: 'text', text: task }] }];
  for (let turn = 0; turn < turns; turn++) {
    const answer = await model(messages, tools);
    messages.push({ role: 'assistant', content: answer });
    const uses = answer.filter((part): part is ToolUse => part.type === 'tool_use');
    if (uses.length === 0) return answer.map((part) => (part.type === 'text' ? part.text : '')).join('');
    const results: ToolResult[] = [];
    for (const use of uses) {
      const result = await call(client, use);
      const text = result.content.find((part): part is Text => part.type === 'text');
      console.error(`${use.name} ${JSON.stringify(use.input)}: ${text?.text ?? ''}`);
      results.push(result);
    }
    messages.push({ role: 'user', content: results });
  }
  throw new Error(`the task is not done after ${turns} turns`);
}

const { VMETTE_URL = 'http://127.0.0.1:8808/mcp', VMETTE_TOKEN, ANTHROPIC_API_KEY, MODEL = 'claude-sonnet-4-5' } = process.env;
const task = process.argv[2] ?? 'Write a note into the file note.txt in the home directory, with a terminal.';

const client = new Client({ name: 'agent-example', version: '1.0.0' });
const transport = new StreamableHTTPClientTransport(new URL(VMETTE_URL), {
  requestInit: { headers: VMETTE_TOKEN ? { Authorization: `Bearer ${VMETTE_TOKEN}` } : {} },
});
await client.connect(transport);
try {
  console.log(await run(client, ANTHROPIC_API_KEY ? anthropic(ANTHROPIC_API_KEY, MODEL) : script(), task));
} finally {
  await transport.terminateSession(); // which ends the desktop of the session
  await client.close();
}
