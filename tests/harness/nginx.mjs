// A real nginx on loopback, with a block that we ship, before one phony or several.
import fs from 'node:fs';
import path from 'node:path';
import { root, start, temporaryFolder, until } from './phony.mjs';

// The block of README.md, or a file of etc/nginx.
export const readmeBlock = () => /```nginx\n([^]*?)```/.exec(fs.readFileSync(path.join(root, 'README.md'), 'utf8'))[1];
const blockOf = (name) => (name === 'README.md' ? readmeBlock() : fs.readFileSync(path.join(root, 'etc/nginx', name), 'utf8'));

export async function startNginx(outside, insides, block = 'phony.conf') {
  const folder = temporaryFolder();
  const shipped = blockOf(block).replace('http://127.0.0.1:3004', 'http://phony');
  const servers = insides.map((port) => `server 127.0.0.1:${port} max_fails=1 fail_timeout=1s;`).join(' ');
  fs.writeFileSync(path.join(folder, 'nginx.conf'), `${process.getuid() === 0 ? 'user root;' : ''} daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr; worker_processes 1; events {}
    http { access_log off; ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((n) => `${n}_temp_path ${folder}/${n};`).join(' ')}
      upstream phony { ${servers} }
      server { listen 127.0.0.1:${outside}; ${shipped} } }`);
  const child = start('/usr/sbin/nginx', ['-c', path.join(folder, 'nginx.conf'), '-p', folder]);
  const nginx = {
    errors: '',
    async stop() {
      child.kill('SIGQUIT');
      await child.ended;
      fs.rmSync(folder, { recursive: true });
    },
  };
  child.stderr.on('data', (d) => { nginx.errors += d; });
  await until(() => fetch(`http://127.0.0.1:${outside}/`).catch(() => null), 'nginx');
  return nginx;
}
