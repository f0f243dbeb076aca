// The built files as a C table, each as it is and compressed (lib/http/static_files.h).
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

const folder = process.argv[2];
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.json': 'application/json' };
const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()).map((e) => path.join(e.parentPath, e.name)).toSorted();
const bytes = (data) => Array.from(data).join(',');
const out = ['/* Made by voiced/ui/embed.mjs. */'];
const rows = [];
for (const [i, file] of files.entries()) {
  const plain = readFileSync(file), small = gzipSync(plain, { level: 9 });
  const target = `/${path.relative(folder, file)}`.replace(/^\/index\.html$/, '/');
  const type = types[path.extname(file)];
  if (!type) throw new Error(`${file}: what type is it of?`);
  out.push(`static const unsigned char ui_plain_${i}[] = {${bytes(plain)}};`, `static const unsigned char ui_gzip_${i}[] = {${bytes(small)}};`);
  rows.push(`\t{${JSON.stringify(target)}, ${JSON.stringify(type)}, ${JSON.stringify(`"${createHash('sha256').update(plain).digest('hex').slice(0, 16)}"`)}, ${target.startsWith('/assets/') ? 'true' : 'false'}, ui_plain_${i}, sizeof ui_plain_${i}, ui_gzip_${i}, sizeof ui_gzip_${i}},`);
}
out.push('static const struct http_file ui_files[] = {', ...rows, '\t{0},', '};');
console.log(out.join('\n'));
