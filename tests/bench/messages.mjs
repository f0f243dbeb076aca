// `make bench-messages`: incoming webhooks per second, signatures checked, on SQLite and MongoDB; and
// lists and conversations with 10,000 and with a million messages. Prints figures; asserts nothing.
//   WEBHOOKS=5000 MESSAGES=1000000 make bench-messages
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import twilio from 'twilio';
import { account, bin, startMongo, startPhony, temporaryFolder } from '../harness/phony.mjs';
import { sid } from '../harness/webhooks.mjs';

const WEBHOOKS = Number(process.env.WEBHOOKS ?? 5000);
const MESSAGES = Number(process.env.MESSAGES ?? 1000000);
const percentile = (values, share) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
const ms = (value) => value.toFixed(2).padStart(9);

function post(port, body, signature) {
  return new Promise((done, fail) => {
    const request = http.request({ port, host: '127.0.0.1', path: '/sms/incoming', method: 'POST', agent: false, headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body), 'x-twilio-signature': signature } },
      (answer) => { answer.resume(); answer.on('end', () => done(answer.statusCode)); });
    request.on('error', fail);
    request.end(body);
  });
}

async function webhooks(name, settings) {
  const phony = await startPhony({ settings: { LOG_LEVEL: 'warn', ...settings }, wait: false });
  for (;;) { try { if ((await phony.api('GET', '/ready')).status === 200) break; } catch {} }
  const prepared = [...Array(WEBHOOKS)].map((_, n) => {
    const params = { MessageSid: sid(n), AccountSid: account.sid, From: `+1202555${String(n % 500).padStart(4, '0')}`, To: account.number, Body: `message ${n}`, NumMedia: '0' };
    return [new URLSearchParams(params).toString(), twilio.getExpectedTwilioSignature(account.token, `${phony.env.PUBLIC_URL}/sms/incoming`, params)];
  });
  const times = [];
  let next = 0;
  const begun = performance.now();
  await Promise.all([...Array(50)].map(async () => {
    while (next < WEBHOOKS) {
      const [body, signature] = prepared[next++];
      const since = performance.now();
      if (await post(phony.port, body, signature) !== 200) throw new Error('a webhook was not answered 200');
      times.push(performance.now() - since);
    }
  }));
  const seconds = (performance.now() - begun) / 1000;
  console.log(`${name.padEnd(26)} ${(WEBHOOKS / seconds).toFixed(0).padStart(7)} /s   p50 ${ms(percentile(times, 0.5))} ms   p99 ${ms(percentile(times, 0.99))} ms`);
  await phony.stop();
}

// Fills a store by `phony import`, and asks it.
async function queries(count) {
  const folder = temporaryFolder();
  const phony = await startPhony({ folder, keep: true, settings: { LOG_LEVEL: 'warn' }, wait: false });
  for (;;) { try { if ((await phony.api('GET', '/ready')).status === 200) break; } catch {} }
  await phony.stop();
  const child = spawn(bin('phony'), ['import'], { env: phony.env, stdio: ['pipe', 'ignore', 'inherit'] });
  const first = Date.UTC(2026, 0, 1);
  for (let n = 0; n < count; n++) {
    const them = `+1202${String(n % 2000).padStart(7, '0')}`, inbound = n % 3 !== 0;
    const at = new Date(first + n * 20).toISOString();
    const line = JSON.stringify({ collection: 'sms', document: { messageSid: sid(n), conversationId: `conv_12025550143_${them.slice(1)}`, fromNumber: inbound ? them : account.number, toNumber: inbound ? account.number : them,
      direction: inbound ? 'inbound' : 'outbound', body: `message ${n} about a table`, status: inbound ? 'received' : 'delivered', numMedia: 0, mediaUrls: [], tags: [], createdAt: at, updatedAt: at } });
    if (!child.stdin.write(`${line}\n`)) await new Promise((done) => child.stdin.once('drain', done));
  }
  child.stdin.end();
  await new Promise((done) => child.on('close', done));
  const again = await startPhony({ folder, port: phony.port, keep: true, settings: { LOG_LEVEL: 'warn' }, wait: false });
  for (;;) { try { if ((await again.api('GET', '/ready')).status === 200) break; } catch {} }
  const result = {};
  const them = (n) => encodeURIComponent(`+1202${String(n % 2000).padStart(7, '0')}`);
  const us = encodeURIComponent(account.number);
  for (const [name, target] of [
    ['list', () => '/api/sms/messages?limit=50'],
    ['list by number', (i) => `/api/sms/messages?limit=50&fromNumber=${them(i * 37)}`],
    ['list by state', () => '/api/sms/messages?limit=50&status=delivered&direction=outbound'],
    ['conversation', (i) => `/api/sms/conversation?limit=50&phoneNumber1=${them(i * 37)}&phoneNumber2=${us}`],
  ]) {
    const times = [];
    for (let i = 0; i < 300; i++) {
      const since = performance.now();
      const { status } = await again.api('GET', target(i));
      if (status !== 200) throw new Error(`${name}: ${status}`);
      times.push(performance.now() - since);
    }
    result[name] = times;
  }
  await again.stop();
  fs.rmSync(folder, { recursive: true });
  return result;
}

console.log(`Incoming webhooks from 50 connections, ${WEBHOOKS} of them, each durable before its answer:`);
await webhooks('SQLite', {});
const mongo = await startMongo();
await webhooks('MongoDB protocol server', { MONGODB_URL: mongo.url });
await mongo.stop();

console.log(`\nQueries on SQLite, 300 each, over HTTP:${' '.repeat(6)}10,000 messages${' '.repeat(16)}${MESSAGES.toLocaleString('en')} messages   growth of p99`);
const [small, large] = [await queries(10000), await queries(MESSAGES)];
for (const name of Object.keys(small)) {
  const [a, b] = [small[name], large[name]];
  console.log(`${name.padEnd(20)} p50 ${ms(percentile(a, 0.5))} p99 ${ms(percentile(a, 0.99))} ms      p50 ${ms(percentile(b, 0.5))} p99 ${ms(percentile(b, 0.99))} ms      ${(percentile(b, 0.99) / percentile(a, 0.99)).toFixed(2)}`);
}
process.exit(0);
