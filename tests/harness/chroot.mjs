// A fresh Debian 12 of one's own, in a folder: what it ships, and nothing else.
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { temporaryFolder } from './phony.mjs';

export const canChroot = process.getuid() === 0 && spawnSync('sh', ['-c', 'command -v debootstrap']).status === 0;

// story gets {inside(command, …), path}; the system is gone afterwards.
export async function withChroot(story) {
  const folder = temporaryFolder(), chroot = path.join(folder, 'system');
  // Where packages come from is this machine's business; the rest of its environment stays outside.
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  for (const name of Object.keys(process.env)) if (/^(npm_config_.*|https?_proxy|no_proxy|GOPROXY|GONOSUMDB|GOFLAGS|GOSUMDB)$/i.test(name)) env[name] = process.env[name];
  // Certificates that this machine trusts beside Debian's, by names that are nothing to Debian.
  const certificates = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE'].filter((name) => fs.existsSync(process.env[name] ?? ''));
  for (const name of certificates) env[name] = `/root/${name}.crt`;
  const inside = (...command) => execFileSync('chroot', [chroot, ...command], { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 << 20 });
  try {
    execFileSync('debootstrap', ['--variant=minbase', 'bookworm', chroot], { stdio: ['ignore', 'ignore', 'inherit'] });
    for (const file of ['etc/apt/sources.list', 'etc/apt/sources.list.d', 'etc/apt/apt.conf.d', 'etc/apt/trusted.gpg.d', 'etc/ssl/certs', 'etc/resolv.conf', 'etc/hosts', 'root/.npmrc'])
      if (fs.existsSync(`/${file}`)) fs.cpSync(`/${file}`, path.join(chroot, file), { recursive: true, force: true, dereference: true });
    for (const name of certificates) fs.copyFileSync(process.env[name], path.join(chroot, 'root', `${name}.crt`));
    execFileSync('mount', ['-t', 'proc', 'proc', path.join(chroot, 'proc')]);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=1777', 'tmpfs', path.join(chroot, 'dev/shm')]);
    return await story({ inside, path: (name) => path.join(chroot, name) });
  } finally {
    for (const name of ['proc', 'dev/shm']) spawnSync('umount', ['-l', path.join(chroot, name)]);
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
