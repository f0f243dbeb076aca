// The Debian package: built, free of lintian's errors, installed, run and removed in a clean system of its own.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { canChroot, withChroot } from '../harness/chroot.mjs';
import { root } from '../harness/phony.mjs';

test('make deb: installed, run and removed in a clean chroot', { timeout: 900000, skip: !canChroot && 'debootstrap and root are needed' }, () => {
  execFileSync('make', ['-s', 'deb'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  const [name] = fs.readdirSync(path.join(root, 'build/deb')).filter((n) => /^phony_.*\.deb$/.test(n));
  withChroot(({ inside, path: at }) => {
    fs.copyFileSync(path.join(root, 'build/deb', name), at(`tmp/${name}`));
    inside('apt-get', 'update', '-qq');
    inside('apt-get', 'install', '-y', '-qq', '--no-install-recommends', `/tmp/${name}`);
    assert.match(inside('phony', '--help'), /usage: phony run/);
    assert.match(inside('id', 'phony'), /uid=\d+\(phony\)/);
    assert.match(inside('sh', '-c', 'phony doctor || true'), /TWILIO_ACCOUNT_SID/, 'what is still missing is named');
    assert.equal((fs.statSync(at('etc/phony/phony.env')).mode & 0o777).toString(8), '640');
    fs.writeFileSync(at('etc/phony/phony.env'), `PUBLIC_URL=https://phony.example\nTWILIO_ACCOUNT_SID=AC${'0'.repeat(32)}\nTWILIO_AUTH_TOKEN=${'0'.repeat(32)}\nTWILIO_NUMBER=+12025550143\nPORT=39871\nELEVENLABS_API_KEY=xi-x-12345\nELEVENLABS_AGENT_ID=a\n`);
    inside('/etc/init.d/phony', 'start');
    assert.match(inside('phony', 'status'), /voiced +up .*user phony/);
    inside('/etc/init.d/phony', 'stop');
    inside('apt-get', 'remove', '-y', '-qq', 'phony');
    assert.ok(!fs.existsSync(at('usr/bin/phony')) && fs.existsSync(at('var/lib/phony')), 'what is kept stays');
    inside('apt-get', 'purge', '-y', '-qq', 'phony');
    assert.ok(!fs.existsSync(at('var/lib/phony')) && !fs.existsSync(at('etc/phony')));
  });
});
