// Starts vmette-mcp as a server over HTTP, for as long as something is done with it.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

// serving calls use with the URL of a server, ends the server and reports how that
// went.
export async function serving(binary, args, use) {
  const server = spawn(binary, [...args, '--http', '127.0.0.1:0'], { stdio: ['ignore', 'inherit', 'pipe'] });
  const ended = new Promise((resolve) => server.once('exit', resolve));
  try {
    await use(
      await new Promise((resolve, reject) => {
        createInterface(server.stderr).on('line', (line) => {
          const m = line.match(/msg=serving url=(\S+)/);
          if (m) resolve(m[1]);
          else console.error(line);
        });
        ended.then((code) => reject(new Error(`the server ended with ${code}`)));
      }),
    );
  } finally {
    server.kill('SIGTERM');
  }
  const code = await ended;
  if (code !== 0) throw new Error(`the server ended with ${code}`);
}
