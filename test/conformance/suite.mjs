// Runs the official conformance suite against the fixture server, for both eras
// of the protocol:
//
//   node suite.mjs SERVER [TIMES]
//
// A scenario that counts may fail only when baseline.yml lists it, and none may be left out.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [server, times = '1'] = process.argv.slice(2);
const suite = join(import.meta.dirname, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');
const baseline = join(import.meta.dirname, 'baseline.yml');

const fixture = spawn(server, { stdio: ['ignore', 'pipe', 'inherit'] });
const [url] = await new Promise((resolve, reject) => {
  createInterface(fixture.stdout).once('line', (line) => resolve([line]));
  fixture.once('exit', () => reject(new Error('the server ended before it served')));
});

// How many scenarios there are for each revision, in the version of package.json.
const scenarios = { '2025-11-25': 33, '2026-07-28': 50 };

const results = mkdtempSync(join(tmpdir(), 'conformance-'));

function run(revision) {
  const args = [suite, 'server', '--url', url, '--requirements', revision, '--expected-failures', baseline,
    '--output-dir', results];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stdout.on('data', (data) => (said += data));
    child.stderr.on('data', (data) => (said += data));
    child.once('close', (code) => resolve({ code, said }));
  });
}

let failed = false;
try {
  for (let n = 1; n <= Number(times); n++) {
    for (const revision of Object.keys(scenarios)) {
      const { code, said } = await run(revision);
      const total = said.match(/^Total: .*$/m)?.[0] ?? 'no total';
      const ran = said.match(/^[✓✗] /gm)?.length ?? 0;
      const conforms = code === 0 && ran === scenarios[revision];
      console.log(`${revision}, run ${n}: ${conforms ? 'conforms' : 'does not conform'}, in ${ran} scenarios of ${scenarios[revision]}. ${total}, extensions that do not count among them`);
      if (!conforms) {
        failed = true;
        console.log(said.slice(said.indexOf('=== SUMMARY ===')));
      }
    }
  }
} finally {
  fixture.kill('SIGTERM');
  rmSync(results, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
