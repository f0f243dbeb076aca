// The Debian package: built, free of lintian's errors, installed, run and removed in a clean system of its own. There a
// person opens its pages and talks to the agent.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { canChroot, withChroot } from '../harness/chroot.mjs';
import { openBrowser, signIn, talk } from '../harness/browser.mjs';
import { freePort, root, settings, speech, startAgent, startCarrier } from '../harness/phony.mjs';

async function aCallAtThePage(base, token, microphone) {
  execFileSync('sox', [speech('Yes, please.', { voice: 'en-us' }).at(48000), microphone, 'pad', '4', '4']);
  const { browser, page, problems } = await openBrowser({ base, microphone });
  try {
    await signIn(page, base, token);
    await talk(page, base, 'agent-test');
    await page.getByText('Thank you. Goodbye!').first().waitFor({ timeout: 30000 });
    await page.getByRole('region', { name: 'Your call' }).waitFor({ state: 'detached' });
    for (const line of ['Hello, this is Anna.', 'Yes, please.']) await page.getByText(line).first().waitFor();
    await page.getByRole('navigation').getByRole('link', { name: 'Health' }).click();
    await page.getByText('ready for a call').first().waitFor();
    assert.deepEqual(problems, []);
  } finally {
    await browser.close();
  }
}

test('make deb: installed, run and removed in a clean chroot', { timeout: 900000, skip: !canChroot && 'debootstrap and root are needed' }, async () => {
  execFileSync('make', ['-s', 'deb'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  const [name] = fs.readdirSync(path.join(root, 'build/deb')).filter((n) => /^phony_.*\.deb$/.test(n));
  await withChroot(async ({ inside, path: at }) => {
    fs.copyFileSync(path.join(root, 'build/deb', name), at(`tmp/${name}`));
    inside('apt-get', 'update', '-qq');
    inside('apt-get', 'install', '-y', '-qq', '--no-install-recommends', `/tmp/${name}`);
    assert.match(inside('phony', '--help'), /usage: phony run/);
    assert.match(inside('id', 'phony'), /uid=\d+\(phony\)/);
    assert.match(inside('sh', '-c', 'phony doctor || true'), /TWILIO_ACCOUNT_SID/, 'what is still missing is named');
    assert.equal((fs.statSync(at('etc/phony/phony.env')).mode & 0o777).toString(8), '640');
    const hello = speech('Hello, this is Anna. May I ask you something?'), thanks = speech('Thank you. Goodbye!');
    const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ say: 'Hello, this is Anna.', wav: hello.pattern }, { hear: 'Yes, please.' }, { say: 'Thank you. Goodbye!', wav: thanks.pattern }] } } });
    const carrier = await startCarrier({ default: { script: [] } }), port = await freePort();
    const { STATE_DIR, RUN_DIR, ...wanted } = settings({ agent, carrier, port, folder: '/' });
    fs.writeFileSync(at('etc/phony/phony.env'), Object.entries(wanted).map(([name, value]) => `${name}=${value}\n`).join(''));
    let codes;
    try {
      inside('/etc/init.d/phony', 'start');
      assert.match(inside('phony', 'status'), /voiced +up .*user phony/);
      await aCallAtThePage(`http://127.0.0.1:${port}`, fs.readFileSync(at('var/lib/phony/api-token'), 'utf8').trim(), at('tmp/microphone.wav'));
    } finally {
      inside('/etc/init.d/phony', 'stop');
      codes = [await agent.stop(), await carrier.stop()];
    }
    assert.deepEqual([...agent.events.items, ...carrier.events.items].filter((e) => e.event === 'violation'), []);
    assert.deepEqual(codes, [0, 0]);
    inside('apt-get', 'remove', '-y', '-qq', 'phony');
    assert.ok(!fs.existsSync(at('usr/bin/phony')) && fs.existsSync(at('var/lib/phony')), 'what is kept stays');
    inside('apt-get', 'purge', '-y', '-qq', 'phony');
    assert.ok(!fs.existsSync(at('var/lib/phony')) && !fs.existsSync(at('etc/phony')));
  });
});
