// Runs an agent of the examples against a real desktop, with the script that stands
// in for a model:
//
//   node example.mjs VMETTE-MCP IMAGE AGENT
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { serving } from './serving.mjs';

const [binary, image, agent] = process.argv.slice(2);

await serving(binary, ['serve', '--image', image], async (url) => {
  const { ANTHROPIC_API_KEY, ...env } = process.env;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [agent], {
    env: { ...env, VMETTE_URL: url },
    timeout: 300_000,
  });
  console.error(stderr);
  if (stdout.trim() !== 'The note is there.') throw new Error(`the agent says: ${stdout}`);
  console.log(`${agent}: ${stdout.trim()}`);
});
