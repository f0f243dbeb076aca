// Messages while processes are killed, carriers misbehave, and the database goes away.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, test } from 'node:test';
import twilio from 'twilio';
import { account, bin, endAll, noProcesses, processes, startCarrier, startMongo, startPhony, until } from '../harness/phony.mjs';
import { sid } from '../harness/webhooks.mjs';

afterEach((t) => { if (t.error) endAll(); });

const us = account.number;
const scale = Number(process.env.MESSAGES_SCALE ?? 1); // of the counts below
// The stand-in for MongoDB reads a whole collection for each update: it gets fewer, unless told otherwise.
const mongod = process.env.PATH.split(':').some((folder) => fs.existsSync(path.join(folder, 'mongod')));
const mongoScale = process.env.MESSAGES_SCALE ? scale : mongod ? 1 : 0.3;
const pidOf = (name) => processes().find((p) => p.name === name)?.pid;
const random = (ms) => new Promise((done) => setTimeout(done, Math.random() * ms));

// One POST on a connection of its own; the status, or 0 when the connection broke.
function post(port, target, params, signature) {
  return new Promise((done) => {
    const body = new URLSearchParams(params).toString();
    const request = http.request({ port, host: '127.0.0.1', path: target, method: 'POST', agent: false, timeout: 15000,
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body), 'x-twilio-signature': signature } },
    (answer) => { answer.resume(); answer.on('end', () => done(answer.statusCode)); answer.on('error', () => done(0)); });
    request.on('error', () => done(0));
    request.on('timeout', () => request.destroy());
    request.end(body);
  });
}

// Every message that the store has, by pages.
async function everything(phony, query = '') {
  const all = [];
  for (let cursor = ''; ;) {
    const { status: code, body, text } = await phony.api('GET', `/api/sms/messages?limit=200${query}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    assert.equal(code, 200, text);
    all.push(...body.data.messages);
    cursor = body.nextCursor;
    if (!cursor) return all;
  }
}

async function flood(phony, count, connections, answered) {
  let next = 1;
  await Promise.all([...Array(connections)].map(async () => {
    while (next <= count) {
      const n = next++;
      const params = { MessageSid: sid(n), AccountSid: account.sid, From: `+1202555${String(n % 50).padStart(4, '0')}`, To: us, Body: `message ${n}`, NumMedia: '0', NumSegments: '1', SmsStatus: 'received' };
      const signature = twilio.getExpectedTwilioSignature(account.token, `${phony.env.PUBLIC_URL}/sms/incoming`, params);
      // What was not answered is sent again, as a retry of Twilio's would be.
      const patience = Date.now() + 120000;
      for (;;) {
        assert.ok(Date.now() < patience, `message ${n} was not taken for two minutes`);
        const code = await post(phony.port, '/sms/incoming', params, signature);
        if (code === 200) break;
        assert.ok([0, 502, 503].includes(code), `answered ${code}`);
        await random(50);
      }
      answered.push(n);
    }
  }));
}

async function incomingUnderFire(count, settings, kills) {
  const answered = [];
  const phony = await startPhony({ settings });
  const flooding = flood(phony, count, 50, answered);
  for (const [i, kill] of kills.entries()) {
    await until(() => answered.length > (count * (i + 1)) / (kills.length + 2), `message ${i}`, 120000);
    await random(100);
    await kill(phony);
  }
  await flooding;
  await until(async () => (await phony.api('GET', '/ready')).body.status === 'ready', 'the database to have all', 60000);
  const stored = await until(async () => {
    const all = await everything(phony);
    return all.length >= count && all;
  }, 'all', 60000, 1000);
  assert.equal(stored.length, count);
  assert.deepEqual(new Set(stored.map((m) => m.messageSid)), new Set(answered.map((n) => sid(n))));
  assert.equal((await phony.stop()).code, 0);
  await noProcesses();
}

const killSmsd = async (phony, pid = pidOf('smsd')) => {
  process.kill(pid, 'SIGKILL');
  await until(() => pidOf('smsd') && pidOf('smsd') !== pid, 'a new smsd');
};

test(`${10000 * scale} incoming messages from 50 connections, smsd killed three times (SQLite)`, async () => {
  await incomingUnderFire(10000 * scale, {}, [killSmsd, killSmsd, killSmsd]);
});

test(`${10000 * mongoScale} incoming messages from 50 connections: smsd, the database, and smsd again are killed (MongoDB)`, async () => {
  const mongo = await startMongo();
  const killMongo = async () => {
    await mongo.kill();
    await random(1500);
    await mongo.start();
  };
  await incomingUnderFire(10000 * mongoScale, { MONGODB_URL: mongo.url }, [killSmsd, killMongo, killSmsd]);
  await mongo.stop();
});

async function outgoingUnderFire(count, settings, kills) {
  const carrier = await startCarrier({ default: { script: [] }, messages: {
    random: { seed: 7, drop: 0.08, lose: 0.08, late: 0.04, 500: 0.04, '500-done': 0.04, slow: 0.1, 429: 0.06 }, callbacks: ['reorder', 'double'],
  } });
  const phony = await startPhony({ sims: { carrier }, settings: { TWILIO_TIMEOUT_SECONDS: '5', ...settings } });
  const accepted = new Map();
  let next = 0, stored = 0;
  const sending = Promise.all([...Array(200)].map(async () => {
    while (next < count) {
      const n = next++;
      const to = `+1303555${String(n).padStart(4, '0')}`;
      // Whoever gets no answer asks whether it is there before asking again.
      for (;;) {
        const answer = await phony.api('POST', '/api/sms/send', { toNumber: to, body: `outgoing ${n}` }).catch(() => ({ status: 0 }));
        if ([200, 202].includes(answer.status)) break;
        assert.ok([0, 503].includes(answer.status), JSON.stringify(answer));
        const there = await until(async () => {
          const seen = await phony.api('GET', `/api/sms/messages?toNumber=${encodeURIComponent(to)}`).catch(() => null);
          return seen?.status === 200 && !seen.body.data.incomplete ? seen.body.data.count + 1 : null;
        }, 'the list', 30000);
        if (there > 1) break;
      }
      stored++;
    }
  }));
  for (const [i, kill] of kills.entries()) {
    await until(() => stored > (count * (i + 1)) / (kills.length + 2), `message ${i}`, 120000);
    await random(100);
    await kill(phony);
  }
  await sending;
  await until(async () => {
    const { body } = await phony.api('GET', '/api/sms/messages?status=queued&limit=1').catch(() => ({}));
    return body?.data?.count === 0;
  }, 'all to have left', 240000, 1000).catch(async (error) => {
    const left = await everything(phony, '&status=queued');
    throw new Error(`${error.message}: ${left.length}, ${JSON.stringify(left.slice(0, 3))}\n${phony.log.items.filter((l) => l.includes(left[0].requestId)).join('\n')}\n${phony.log.items.slice(-20).join('\n')}`);
  });
  const all = await everything(phony);
  assert.equal(all.length, count);
  for (const e of carrier.events.filter((one) => one.event === 'message-created')) accepted.set(e.to, [...(accepted.get(e.to) ?? []), e.messageSid]);
  for (const m of all) assert.deepEqual(accepted.get(m.toNumber), [m.messageSid], `${m.toNumber} ${m.body}`);
  await until(async () => (await everything(phony, '&status=delivered')).length === count, 'all to be delivered', 150000, 1000).catch(async (error) => {
    const left = (await everything(phony)).filter((m) => m.status !== 'delivered');
    const failed = carrier.events.filter((e) => e.event.startsWith('hook-') || e.event === 'status-refused');
    throw new Error(`${error.message}: ${JSON.stringify(left.slice(0, 3))}\n${JSON.stringify(failed.slice(0, 20))}`);
  });
  assert.equal((await phony.stop()).code, 0);
  assert.equal(await carrier.stop(), 0);
  await noProcesses();
}

test(`${2000 * scale} outgoing messages, a carrier that drops, delays, doubles and reorders, smsd killed: each accepted exactly once (SQLite)`, async () => {
  await outgoingUnderFire(2000 * scale, {}, [killSmsd, killSmsd]);
});

test(`${500 * mongoScale} of them, and the database is killed, too (MongoDB)`, async () => {
  const mongo = await startMongo();
  const killMongo = async () => {
    await mongo.kill();
    await random(1500);
    await mongo.start();
  };
  await outgoingUnderFire(500 * mongoScale, { MONGODB_URL: mongo.url }, [killSmsd, killMongo, killSmsd]);
  await mongo.stop();
});

test('a message for later survives the end of smsd and of phony, and is sent once', async () => {
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier }, keep: true });
  const to = '+13035550001';
  const { body } = await phony.api('POST', '/api/sms/send', { toNumber: to, body: 'later', sendAt: new Date(Date.now() + 3000).toISOString() });
  assert.equal(body.data.status, 'scheduled');
  await killSmsd(phony);
  // What was handed to the smsd that died is answered by nobody: it is asked again.
  const kept = await until(async () => (await phony.api('GET', `/api/sms/messages/${body.data.messageSid}`).catch(() => ({}))).body?.data, 'smsd to be back');
  assert.equal(kept.status, 'scheduled');
  assert.equal((await phony.stop()).code, 0);
  assert.equal(carrier.events.filter((e) => e.event === 'message-request').length, 0);
  const again = await startPhony({ sims: { carrier }, folder: phony.folder, port: phony.port });
  await until(async () => (await again.api('GET', `/api/sms/messages/${body.data.messageSid}`)).body.data.status === 'delivered', 'the delivery', 20000);
  assert.equal(carrier.events.filter((e) => e.event === 'message-created' && e.to === to).length, 1);
  assert.deepEqual([(await again.stop()).code, await carrier.stop()], [0, 0]);
  await noProcesses();
});

test('smsd killed while a list of a thousand is stored: all of it or nothing', async () => {
  const phony = await startPhony();
  const toNumbers = [...Array(1000)].map((_, n) => `+1303555${String(n).padStart(4, '0')}`);
  const resumed = () => phony.log.filter((l) => l.includes('was not all stored yet')).length;
  const database = new DatabaseSync(path.join(phony.folder, 'state/phony.db'), { readOnly: true });
  const storing = database.prepare(`SELECT count(*) AS n FROM bulks WHERE document LIKE '%"storing"%'`);
  let whole = 0;
  for (let round = 0; round < 20 && resumed() < 2; round++) {
    const pid = pidOf('smsd');
    const asking = phony.api('POST', '/api/sms/bulk', { toNumbers, body: `list ${round}`, ratePerMinute: 1, sendAt: new Date(Date.now() + 86400000).toISOString() }).then((a) => a.status, () => 0);
    // Killed as soon as the list is in the file, before it is told to be whole.
    let answered = false;
    asking.then(() => { answered = true; });
    while (!answered && storing.get().n === 0) await new Promise(setImmediate);
    await killSmsd(phony, pid);
    const answer = await asking;
    if (answer === 202) whole++;
    await until(async () => {
      const { body } = await phony.api('GET', '/api/sms/bulk').catch(() => ({}));
      return body?.data?.bulks.every((b) => b.status === 'sending');
    }, 'every list to be stored', 20000);
    const { bulks } = (await phony.api('GET', '/api/sms/bulk')).body.data;
    assert.ok(bulks.length >= whole);
    for (const bulk of bulks) assert.equal((await phony.api('GET', `/api/sms/bulk/${bulk.bulkId}`)).body.data.results.length, 1000);
  }
  database.close();
  assert.ok(resumed() > 0, 'no kill came in time');
  assert.equal((await phony.stop()).code, 0);
  await noProcesses();
});

test('a Twilio that takes longer than smsd lives: what is on its way is not sent again', async () => {
  const carrier = await startCarrier({ default: { script: [] }, messages: { faults: ['slow:11000'], callbacks: ['none'] } });
  const phony = await startPhony({ sims: { carrier } });
  const to = '+13035550002';
  const asking = phony.api('POST', '/api/sms/send', { toNumber: to, body: 'once' }).catch(() => {});
  await carrier.events.wait((e) => e.event === 'message-request', 'the request');
  await killSmsd(phony);
  const { messageSid } = await carrier.events.wait((e) => e.event === 'message-created', 'the message', 20000);
  const found = await until(async () => (await phony.api('GET', `/api/sms/messages/${messageSid}`)).body.data?.requestId, 'it to be found', 30000);
  assert.match(found, /^PM/);
  assert.equal(carrier.events.filter((e) => e.event === 'message-request').length, 1);
  await asking;
  assert.equal((await phony.stop()).code, 0);
  assert.equal(await carrier.stop(), 0);
  await noProcesses();
});

// A list of three, as it stands when smsd ends while it is stored: the first message has been sent and has its SID,
// the second was sent and deleted, the third is missing.
async function halfStored(story, canceled = false) {
  const carrier = await startCarrier({ default: { script: [] } });
  const first = await startPhony({ keep: true });
  const host = fs.readFileSync(path.join(first.folder, 'state/host-id'), 'utf8').trim();
  assert.equal((await first.stop()).code, 0);
  const at = new Date().toISOString(), bulkId = 'b'.repeat(24);
  const people = [1, 2, 3].map((n) => `+1303556000${n}`);
  const requestId = (i) => `PM${crypto.createHash('md5').update(`${bulkId}/${i}`).digest('hex')}`;
  const sent = (i) => ['sms', { messageSid: sid(800 + i), requestId: requestId(i), conversationId: 'conv_x', fromNumber: us, toNumber: people[i], direction: 'outbound', body: 'Hello', status: 'delivered', bulkId, createdAt: at, updatedAt: at }];
  const documents = [['bulks', { bulkId, host, status: canceled ? 'canceled' : 'storing', total: 3, fromNumber: us, ratePerMinute: 6000, recipients: people.map((toNumber) => ({ toNumber, body: 'Hello' })), createdAt: at }],
    sent(0), ...(canceled ? [['sms', { ...sent(2)[1], messageSid: requestId(2), status: 'scheduled', state: 'waiting', dueAt: at, tries: 0 }]] : []), ['deletedmessages', { requestId: requestId(1), messageSid: sid(801), bulkId, deletedAt: at }]];
  execFileSync(bin('phony'), ['import'], { env: first.env, input: documents.map(([collection, document]) => `${JSON.stringify({ collection, document })}\n`).join(''), stdio: ['pipe', 'ignore', 'inherit'] });
  const phony = await startPhony({ sims: { carrier }, folder: first.folder, port: first.port, keep: true });
  await story({ phony, carrier, bulkId, people });
  assert.equal((await phony.stop()).code, 0);
  const left = execFileSync(bin('phony'), ['export'], { env: phony.env, stdio: ['ignore', 'pipe', 'ignore'] }).toString();
  assert.ok(canceled || !/"recipients"/.test(left), 'the list of recipients is kept');
  assert.equal(await carrier.stop(), 0);
  fs.rmSync(phony.folder, { recursive: true });
  await noProcesses();
}

test('a list that was being stored goes on where it stood: nothing is sent twice', () => halfStored(async ({ phony, carrier, bulkId, people }) => {
  const get = async () => (await phony.api('GET', `/api/sms/bulk/${bulkId}`)).body.data;
  await until(async () => (await get()).counts.delivered === 2, 'the missing one', 20000);
  assert.deepEqual(carrier.events.filter((e) => e.event === 'message-request').map((e) => e.to), [people[2]]);
  assert.deepEqual((await get()).results.map((r) => r.toNumber), [people[0], people[2]]);
}));

test('what was stored of a list after it was canceled is not sent', () => halfStored(async ({ phony, carrier, bulkId }) => {
  const get = async () => (await phony.api('GET', `/api/sms/bulk/${bulkId}`)).body.data;
  await until(async () => (await get()).counts.canceled === 1, 'the message that waits to be canceled', 20000);
  assert.deepEqual((await get()).counts, { delivered: 1, canceled: 1 });
  assert.equal(carrier.events.filter((e) => e.event === 'message-request').length, 0);
}, true));

test('a list that the store refuses for a while is taken, stored and sent once', async () => {
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier } });
  const database = new DatabaseSync(path.join(phony.folder, 'state/phony.db'));
  const toNumbers = [...Array(300)].map((_, n) => `+1303557${String(n).padStart(4, '0')}`);
  const asking = phony.api('POST', '/api/sms/bulk', { toNumbers, body: 'Hello', ratePerMinute: 6000, sendAt: new Date(Date.now() + 8000).toISOString() });
  // Locked for longer than a write waits, as soon as the list is in the file.
  const stored = database.prepare('SELECT count(*) AS n FROM bulks');
  while (stored.get().n === 0) await new Promise(setImmediate);
  for (;;) try { database.exec('BEGIN IMMEDIATE'); break; } catch { await new Promise(setImmediate); }
  const answer = await asking;
  assert.equal(answer.status, 202, answer.text);
  const partly = database.prepare('SELECT count(*) AS n FROM sms').get().n;
  await until(() => partly === 300 || phony.log.filter((l) => l.includes('is not all stored yet')).length > 0, 'a write to be refused', 20000);
  database.exec('ROLLBACK');
  const { bulkId } = answer.body.data;
  const done = await until(async () => {
    const { body } = await phony.api('GET', `/api/sms/bulk/${bulkId}`);
    return body.data.counts.delivered === 300 && body.data;
  }, 'all to be delivered', 90000);
  assert.equal(done.results.length, 300);
  assert.equal(carrier.events.filter((e) => e.event === 'message-request').length, 300);
  database.close();
  assert.equal((await phony.stop()).code, 0);
  assert.equal(await carrier.stop(), 0);
  await noProcesses();
});

test('a status that smsd had kept when it was killed is applied when it is back', async () => {
  const phony = await startPhony({ keep: true });
  assert.equal((await phony.stop()).code, 0);
  const at = new Date().toISOString();
  const documents = [['sms', { messageSid: sid(1), fromNumber: us, toNumber: '+13035550001', direction: 'outbound', body: 'hello', status: 'queued', createdAt: at, updatedAt: at }],
    ['earlystatuses', { messageSid: sid(1), status: 'delivered', errorCode: 0, errorMessage: '', createdAt: at }],
    ['earlystatuses', { messageSid: sid(2), status: 'sent', errorCode: 0, errorMessage: '', createdAt: '2026-01-01T00:00:00.000Z' }],
    ['earlystatuses', { messageSid: sid(3), status: 'sent', errorCode: 0, errorMessage: '', createdAt: at }]];
  const lines = documents.map(([collection, document]) => `${JSON.stringify({ collection, document })}\n`).join('');
  execFileSync(bin('phony'), ['import'], { env: phony.env, input: lines, stdio: ['pipe', 'ignore', 'ignore'] });
  const again = await startPhony({ folder: phony.folder, port: phony.port, keep: true });
  await until(async () => (await again.api('GET', `/api/sms/messages/${sid(1)}`)).body.data.status === 'delivered', 'the status');
  assert.equal((await again.stop()).code, 0);
  const left = execFileSync(bin('phony'), ['export'], { env: phony.env, stdio: ['ignore', 'pipe', 'ignore'] }).toString();
  const kept = left.split('\n').filter((l) => l.includes('earlystatuses'));
  assert.ok(kept.length === 1 && kept[0].includes(sid(3)), left); // what is old and nobody's is dropped
  fs.rmSync(phony.folder, { recursive: true });
});
