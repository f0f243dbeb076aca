// Messages of a traced conversation against the types of the vendor's package: each kind of message once.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { root, temporaryFolder } from './phony.mjs';

const shape = (value) => (Array.isArray(value) ? value.map(shape) : value && typeof value === 'object' ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, shape(v)])) : typeof value);

/*
 * events: those of a simulator. head: TypeScript that declares the types Got (what the simulator got) and Sent.
 * Returns what the compiler says, and the types of message that there were.
 */
export function checkTypes(events, head) {
  const kinds = { got: new Map(), sent: new Map() };
  for (const e of events) kinds[e.event]?.set(JSON.stringify([e.message.type, shape(e.message)]), e.message);
  const folder = temporaryFolder(), name = { got: 'Got', sent: 'Sent' };
  fs.symlinkSync(path.join(root, 'tests/node_modules'), path.join(folder, 'node_modules'));
  const lines = Object.entries(kinds).flatMap(([way, seen]) => [...seen.values()].map((message, i) => `export const ${way}${i}: ${name[way]} = ${JSON.stringify(message)};`));
  fs.writeFileSync(path.join(folder, 'messages.ts'), [head, ...lines].join('\n'));
  const compiler = path.join(root, 'tests/node_modules/typescript/bin/tsc');
  const { stdout, status } = spawnSync(process.execPath, [compiler, '--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--moduleResolution', 'nodenext', '--target', 'es2022', '--lib', 'es2022,dom', 'messages.ts'], { cwd: folder, encoding: 'utf8' });
  const types = (way) => [...new Set([...kinds[way].values()].map((m) => m.type ?? 'user_audio_chunk'))];
  return { stdout, status, got: types('got'), sent: types('sent') };
}
