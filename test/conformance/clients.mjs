// Has the reference client drive a real desktop over each transport, in both
// eras of the protocol, and the inspector's command line with a session for each
// call:
//
//   node clients.mjs VMETTE-MCP IMAGE
import { spawn, execFile } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const [binary, image] = process.argv.slice(2);
const serve = ['serve', '--image', image, '--log-level', 'info'];
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
    await call('left_click', { desktop_id, coordinate: [100, 100] });
    await call('type', { desktop_id, text: 'hello' });
    await call('desktop_close', { desktop_id });
    console.log(`${name}: created, seen, clicked, typed, closed`);
  } finally {
    await client.close();
  }
}

// inspect calls a tool with the inspector, whose process ends after each call.
async function inspect(url) {
  const inspector = join(import.meta.dirname, 'node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js');
  const call = async (tool, args) => {
    const argv = [inspector, '--cli', url, '--transport', 'http', '--method', 'tools/call', '--tool-name', tool];
    for (const [k, v] of Object.entries(args)) argv.push('--tool-arg', `${k}=${typeof v === 'string' ? v : JSON.stringify(v)}`);
    const { stdout } = await promisify(execFile)(process.execPath, argv, { maxBuffer: 32 << 20, timeout: 300_000 });
    const result = JSON.parse(stdout);
    if (result.isError) throw new Error(`inspector: ${tool}: ${stdout}`);
    return result;
  };
  const { structuredContent } = await call('desktop_create', {});
  const { desktop_id } = structuredContent;
  await call('screenshot', { desktop_id });
  await call('left_click', { desktop_id, coordinate: [100, 100] });
  await call('type', { desktop_id, text: 'hello' });
  await call('desktop_close', { desktop_id });
  console.log('inspector: created, seen, clicked, typed, closed, in five sessions');
}

await session('stdio, with sessions', new StdioClientTransport({ command: binary, args: serve }));
await session('stdio, without', new StdioClientTransport({ command: binary, args: serve }), modern);

const server = spawn(binary, [...serve, '--http', '127.0.0.1:0'], { stdio: ['ignore', 'inherit', 'pipe'] });
const ended = new Promise((resolve) => server.once('exit', resolve));
try {
  const url = await new Promise((resolve, reject) => {
    createInterface(server.stderr).on('line', (line) => {
      const m = line.match(/msg=serving url=(\S+)/);
      if (m) resolve(m[1]);
      else console.error(line);
    });
    ended.then((code) => reject(new Error(`the server ended with ${code}`)));
  });
  await session('streamable HTTP, with sessions', new StreamableHTTPClientTransport(new URL(url)));
  await session('streamable HTTP, without', new StreamableHTTPClientTransport(new URL(url)), modern);
  await session('SSE', new SSEClientTransport(new URL('/sse', url)));
  await inspect(url);
} finally {
  server.kill('SIGTERM');
}
const code = await ended;
if (code !== 0) throw new Error(`the server ended with ${code}`);
