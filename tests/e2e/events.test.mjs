// GET /api/events: what happens, as it happens, and what was missed.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import twilio from 'twilio';
import { account, noProcesses, processes, startAgent, startCarrier, startPhony, until } from '../harness/phony.mjs';
import { listen } from '../harness/events.mjs';
import { agents, request } from '../harness/mcp.mjs';
import { sid } from '../harness/webhooks.mjs';

let carrier, agent, phony, person = 6000;
before(async () => {
  agent = await startAgent({ apiKey: 'xi-test-key-0001', agents });
  carrier = await startCarrier({ default: { script: [] }, numbers: [account.number] });
  phony = await startPhony({ sims: { carrier, agent } });
});
after(async () => {
  await phony.stop();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

const call = async () => (await phony.api('POST', '/api/calls', { toNumber: `+1202556${person++}`, ...request })).body.callSid;
const incoming = async (n) => {
  const params = { MessageSid: sid(n), AccountSid: account.sid, From: '+12025550123', To: account.number, Body: 'Hello', NumMedia: '0', NumSegments: '1', SmsStatus: 'received' };
  const signature = twilio.getExpectedTwilioSignature(account.token, `${phony.env.PUBLIC_URL}/sms/incoming`, params);
  const answer = await fetch(`http://127.0.0.1:${phony.port}/sms/incoming`, { method: 'POST', body: new URLSearchParams(params), headers: { 'x-twilio-signature': signature } });
  assert.equal(answer.status, 200);
};

test('calls, their transcript and messages are told to all who listen, in order', async () => {
  const streams = await Promise.all([...Array(5)].map(() => listen(phony)));
  for (const { events } of streams) assert.equal(events[0].name, 'hello');
  const callSid = await call();
  await phony.over(callSid);
  const { messageSid } = (await phony.api('POST', '/api/sms/send', { toNumber: '+12025550188', body: 'Hi' })).body.data;
  await incoming(900);
  for (const stream of streams) {
    await until(() => stream.find((d) => d.kind === 'message' && d.messageSid === messageSid && d.status === 'delivered') && stream.find((d) => d.messageSid === sid(900)), 'the messages');
    assert.deepEqual(stream.events.filter((e) => e.data.kind === 'call' && e.data.callSid === callSid).map((e) => e.data.status).filter((s, i, all) => s !== all[i - 1]), ['initiated', 'ringing', 'in-progress', 'completed'].filter((s) => stream.find((d) => d.kind === 'call' && d.status === s)));
    assert.equal(stream.find((d) => d.kind === 'turn' && d.callSid === callSid).data.content, 'Thank you. Goodbye!');
    const numbers = stream.events.map((e) => Number(e.id.split('-')[1]));
    assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
    assert.deepEqual(stream.events.slice(1), streams[0].events.slice(1).slice(0, stream.events.length - 1));
  }
  for (const stream of streams) stream.close();
});

test('who comes again is told what it missed, once', async () => {
  const stream = await listen(phony);
  const one = await call();
  await phony.over(one);
  await until(() => stream.find((d) => d.callSid === one && d.status === 'completed'), 'the end of the first');
  const { id } = stream.events.at(-1);
  stream.close();
  const two = await call();
  await phony.over(two);
  const again = await listen(phony, id);
  await until(() => again.find((d) => d.callSid === two && d.status === 'completed'), 'what was missed');
  assert.ok(!again.find((d) => d.callSid === one));
  assert.ok(!again.events.some((e) => ['hello', 'reset'].includes(e.name)));
  again.close();
});

test('a position of another time: look at everything anew', async () => {
  for (const id of ['x', 'abcdefgh-1', `${(await listen(phony)).events[0].id}9999`, '-', 'abcdefgh-']) {
    const stream = await listen(phony, id);
    assert.equal(stream.events[0].name, 'reset', id);
    stream.close();
  }
});

test('voiced and smsd die: the stream ends, and goes on', async () => {
  const stream = await listen(phony);
  const kill = (name) => process.kill(processes().find((p) => p.name === name).pid, 'SIGKILL');
  kill('smsd');
  await until(() => stream.find((d) => d.kind === 'messages'), 'the gap to be told');
  await incoming(901);
  await until(() => stream.find((d) => d.messageSid === sid(901)), 'a message after it');
  kill('voiced');
  await until(() => stream.ended, 'the end of the stream');
  const again = await until(() => listen(phony, stream.events.at(-1).id).catch(() => null), 'another');
  assert.equal(again.events[0].name, 'reset');
  await phony.over(await call());
  assert.ok(again.find((d) => d.kind === 'turn'));
  again.close();
});

test('only with the token, and from no page of another host', async () => {
  const get = (headers) => fetch(`http://127.0.0.1:${phony.port}/api/events`, { headers }).then((a) => a.status);
  assert.equal(await get({}), 401);
  assert.equal(await get({ authorization: 'Bearer wrong' }), 401);
  assert.equal(await get({ authorization: `Bearer ${phony.token}`, origin: 'https://evil.example' }), 403);
  assert.equal((await phony.api('POST', '/api/events')).status, 405);
});

test('a hundred streams, and no more', async () => {
  const streams = await Promise.all([...Array(100)].map(() => listen(phony)));
  const answer = await phony.api('GET', '/api/events');
  assert.deepEqual([answer.status, answer.body.code], [503, 'streams']);
  for (const stream of streams) stream.close();
  const last = await until(() => listen(phony).catch(() => null), 'room again');
  last.close();
});
