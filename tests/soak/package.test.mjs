// The Debian package: built, free of lintian's errors, installed, run and removed in a clean system of its own.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root, temporaryFolder } from '../harness/phony.mjs';

const can = process.getuid() === 0 && spawnSync('sh', ['-c', 'command -v debootstrap']).status === 0;

test('make deb: installed, run and removed in a clean chroot', { timeout: 900000, skip: !can && 'debootstrap and root are needed' }, () => {
  execFileSync('make', ['-s', 'deb'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  const [name] = fs.readdirSync(path.join(root, 'build/deb')).filter((n) => /^phony_.*\.deb$/.test(n));
  const folder = temporaryFolder(), chroot = path.join(folder, 'system');
  const inside = (...command) => execFileSync('chroot', [chroot, ...command], { encoding: 'utf8', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }, stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    execFileSync('debootstrap', ['--variant=minbase', 'bookworm', chroot], { stdio: ['ignore', 'ignore', 'inherit'] });
    for (const file of ['etc/apt/sources.list', 'etc/apt/sources.list.d', 'etc/apt/apt.conf.d', 'etc/apt/trusted.gpg.d', 'etc/ssl/certs', 'etc/resolv.conf'])
      if (fs.existsSync(`/${file}`)) fs.cpSync(`/${file}`, path.join(chroot, file), { recursive: true, force: true, dereference: true });
    execFileSync('mount', ['-t', 'proc', 'proc', path.join(chroot, 'proc')]);
    fs.copyFileSync(path.join(root, 'build/deb', name), path.join(chroot, 'tmp', name));
    inside('apt-get', 'update', '-qq');
    inside('apt-get', 'install', '-y', '-qq', '--no-install-recommends', `/tmp/${name}`);
    assert.match(inside('phony', '--help'), /usage: phony run/);
    assert.match(inside('id', 'phony'), /uid=\d+\(phony\)/);
    assert.match(inside('sh', '-c', 'phony doctor || true'), /TWILIO_ACCOUNT_SID/, 'what is still missing is named');
    assert.equal((fs.statSync(path.join(chroot, 'etc/phony/phony.env')).mode & 0o777).toString(8), '640');
    fs.writeFileSync(path.join(chroot, 'etc/phony/phony.env'), `PUBLIC_URL=https://phony.example\nTWILIO_ACCOUNT_SID=AC${'0'.repeat(32)}\nTWILIO_AUTH_TOKEN=${'0'.repeat(32)}\nTWILIO_NUMBER=+12025550143\nPORT=39871\nELEVENLABS_API_KEY=xi-x-12345\nELEVENLABS_AGENT_ID=a\n`);
    inside('/etc/init.d/phony', 'start');
    assert.match(inside('phony', 'status'), /voiced +up .*user phony/);
    inside('/etc/init.d/phony', 'stop');
    inside('apt-get', 'remove', '-y', '-qq', 'phony');
    assert.ok(!fs.existsSync(path.join(chroot, 'usr/bin/phony')) && fs.existsSync(path.join(chroot, 'var/lib/phony')), 'what is kept stays');
    inside('apt-get', 'purge', '-y', '-qq', 'phony');
    assert.ok(!fs.existsSync(path.join(chroot, 'var/lib/phony')) && !fs.existsSync(path.join(chroot, 'etc/phony')));
  } finally {
    spawnSync('umount', ['-l', path.join(chroot, 'proc')]);
    fs.rmSync(folder, { recursive: true, force: true });
  }
});
