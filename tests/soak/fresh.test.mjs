// The README's two commands, as they stand there, on a Debian 12 that has nothing yet.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { canChroot, withChroot } from '../harness/chroot.mjs';
import { root } from '../harness/phony.mjs';

const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
const [first, second] = readme.slice(readme.indexOf('```sh\n') + 6).split('\n').map((line) => line.replace(/\s+#.*/, ''));

test(`${first}; ${second}`, { timeout: 3600000, skip: !canChroot && 'debootstrap and root are needed' }, async () => {
  await withChroot(({ inside, path: at }) => {
    fs.mkdirSync(at('phony'));
    const archive = execFileSync('git', ['archive', 'HEAD'], { cwd: root, maxBuffer: 256 << 20 });
    execFileSync('tar', ['-x', '-C', at('phony')], { input: archive });
    const run = (command) => {
      try { return inside('sh', '-c', `cd /phony && ${command}`); } catch (error) {
        const failed = error.stdout.match(/^✖ failing tests:[^]*?(?=^\S+: \d+ passed|^\d+ passed)/gm)?.join('\n') ?? '';
        throw new Error(`${command}:\n${failed}\n${error.stdout.slice(-2000)}\n${error.stderr.slice(-1000)}`);
      }
    };
    const demo = run(first);
    assert.match(demo, /transcript/);
    const call = fs.readFileSync(at('phony/build/demo/call.wav'));
    assert.ok(call.length > 5 * 32000, 'the call can be listened to');
    assert.match(fs.readFileSync(at('phony/build/demo/transcript.txt'), 'utf8'), /\S/);
    // The tests take a quarter of an hour there as here: FRESH=demo leaves them out.
    if (process.env.FRESH === 'demo') return;
    assert.match(run(second), /^\d+ passed, 0 failed$/m);
  });
});
