// Has the reference client drive a real desktop over each transport, in both
// eras of the protocol, and the inspector's command line with a client of its own
// for each call:
//
//   node clients.mjs VMETTE-MCP IMAGE
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { serving } from './serving.mjs';

const [binary, image] = process.argv.slice(2);
const serve = ['serve', '--image', image, '--log-level', 'info'];
const terminal = 'xterm -geometry 100x40+100+100'; // a window that takes what is typed
const patience = { timeout: 300_000, resetTimeoutOnProgress: true, onprogress: () => {} };
const modern = { mode: { pin: '2026-07-28' } };

// session does what a model does with a desktop.
async function session(name, transport, versionNegotiation) {
  const client = new Client({ name: 'conformance', version: '1' }, versionNegotiation ? { versionNegotiation } : {});
  await client.connect(transport);
  const call = async (tool, args) => {
    const result = await client.callTool({ name: tool, arguments: args }, patience);
    if (result.isError) throw new Error(`${name}: ${tool}: ${JSON.stringify(result.content)}`);
    return result;
  };
  try {
    const created = await call('desktop_create', {});
    const desktop_id = created.structuredContent.desktop_id;
    const shot = await call('screenshot', { desktop_id });
    if (!shot.content.some((c) => c.type === 'image')) throw new Error(`${name}: the screenshot has no picture`);
    await call('launch', { desktop_id, command: terminal });
    await call('left_click', { desktop_id, coordinate: [300, 300] });
    await call('type', { desktop_id, text: 'hello' });
    await call('desktop_close', { desktop_id });
    console.log(`${name}: created, seen, clicked, typed, closed`);
  } finally {
    await client.close();
  }
}

// inspector calls a tool with the inspector's command line, whose process ends
// after each call.
async function inspector(target, tool, args) {
  const program = join(import.meta.dirname, 'node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js');
  const argv = [program, '--cli', ...target, '--method', 'tools/call', '--tool-name', tool, '--tool-args-json', JSON.stringify(args)];
  const { stdout } = await promisify(execFile)(process.execPath, argv, { maxBuffer: 32 << 20, timeout: 300_000 });
  const result = JSON.parse(stdout);
  if (result.isError) throw new Error(`inspector: ${tool}: ${stdout}`);
  return result;
}

// inspect does what session does, with a session of the protocol for each call.
async function inspect(name, target) {
  const { structuredContent } = await inspector(target, 'desktop_create', {});
  const { desktop_id } = structuredContent;
  await inspector(target, 'screenshot', { desktop_id });
  await inspector(target, 'launch', { desktop_id, command: terminal });
  await inspector(target, 'left_click', { desktop_id, coordinate: [300, 300] });
  await inspector(target, 'type', { desktop_id, text: 'hello' });
  await inspector(target, 'desktop_close', { desktop_id });
  console.log(`inspector, ${name}: created, seen, clicked, typed, closed, each by a client of its own`);
}

// inspectProcess has the one call that a server over standard input and output
// lives for do all of it that needs no window.
async function inspectProcess() {
  const actions = [{ action: 'left_click', coordinate: [100, 100] }, { action: 'key', text: 'Escape' }, { action: 'screenshot' }];
  await inspector([binary, ...serve], 'perform', { actions });
  console.log('inspector, stdio: clicked, pressed and seen in one call, and closed by its end');
}

await session('stdio, with sessions', new StdioClientTransport({ command: binary, args: serve }));
await session('stdio, without', new StdioClientTransport({ command: binary, args: serve }), modern);
await inspectProcess();

await serving(binary, serve, async (url) => {
  await session('streamable HTTP, with sessions', new StreamableHTTPClientTransport(new URL(url)));
  await session('streamable HTTP, without', new StreamableHTTPClientTransport(new URL(url)), modern);
  await session('SSE', new SSEClientTransport(new URL('/sse', url)));
  await inspect('streamable HTTP, with sessions', [url, '--transport', 'http', '--protocol-era', 'legacy']);
  await inspect('streamable HTTP, without', [url, '--transport', 'http', '--protocol-era', 'modern']);
  await inspect('SSE', [new URL('/sse', url).href, '--transport', 'sse']);
});
