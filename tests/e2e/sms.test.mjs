// Messages: sent, received, told of, asked for.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { account, endAll, noProcesses, root, startCarrier, startMongo, startPhony, until } from '../harness/phony.mjs';
import twilio from 'twilio';
import { hook, incoming, sid, status } from '../harness/webhooks.mjs';

const us = account.number;
const them = (n) => `+1202555${String(n).padStart(4, '0')}`;
let number = 200;
const someone = () => them(number++);

// A test with an instance of its own must not leave it to the next; those of a describe share theirs.
afterEach((t) => { if (t.error && !t.fullName.includes(' > ')) endAll(); });

// One instance and one carrier for what does not disturb each other; what does has its own.
async function together(messages, settings, body) {
  const carrier = await startCarrier({ default: { script: [] }, messages });
  const phony = await startPhony({ sims: { carrier }, settings });
  try {
    await body(phony, carrier);
    assert.equal((await phony.stop()).code, 0);
    assert.equal(await carrier.stop(), 0);
    await noProcesses();
  } catch (error) {
    endAll();
    throw error;
  }
}

const send = (phony, to, body = 'See you at 7 pm.', more = {}) => phony.api('POST', '/api/sms/send', { toNumber: to, body, ...more });
const get = (phony, id) => phony.api('GET', `/api/sms/messages/${id}`);
const settled = (phony, id, wanted, ms = 20000) => until(async () => {
  const { body } = await get(phony, id);
  return body.data?.status === wanted ? body.data : null;
}, `message ${id} to be ${wanted}`, ms);

test('deletion while the database is away: refused, as more may be there', async () => {
  const mongo = await startMongo(), carrier = await startCarrier({ default: { script: [] }, numbers: [account.number] });
  const phony = await startPhony({ sims: { carrier }, settings: { MONGODB_URL: mongo.url } });
  const person = someone(), ours = [901, 902].map((n) => sid(n)), remove = () => phony.api('DELETE', '/api/sms/messages', { fromNumber: person });
  const come = (MessageSid) => incoming(phony, { MessageSid, From: person, To: us, Body: 'delete me', NumMedia: '0' });
  assert.equal((await come(ours[0])).status, 200);
  await mongo.kill();
  assert.equal((await come(ours[1])).status, 200);
  const refused = await remove();
  assert.deepEqual([refused.status, refused.body.code], [503, 'store'], refused.text);
  for (const target of ['/api/voicemails/' + sid(903, 'RE'), '/api/calls/' + sid(903, 'CA')]) {
    const later = await phony.api('DELETE', target);
    assert.deepEqual([later.status, later.body.code], [503, 'store'], `${target}: ${later.text}`);
  }
  await mongo.start();
  const all = await until(async () => { const a = await remove(); return a.status === 200 && a; }, 'the database to be back', 60000);
  assert.ok(all.body.data.deletedCount >= 2, all.text);
  const left = await until(async () => { const { body } = await phony.api('GET', '/api/sms/messages'); return !body.data.incomplete && body.data; }, 'the list', 60000);
  assert.equal(left.count, 0);
  assert.equal((await phony.stop()).code, 0);
  assert.equal(await carrier.stop(), 0);
  await mongo.stop();
});

for (const store of ['sqlite', 'mongodb']) describe(`one instance on ${store}`, () => {
  let phony, carrier, mongo;
  before(async () => {
    if (store === 'mongodb') mongo = await startMongo();
    carrier = await startCarrier({ default: { script: [] }, numbers: [account.number], messages: {
      undelivered: { [them(101)]: 30003 }, optedOut: [them(102)],
      inbound: { SM000000000000000000000000000000aa: {
        sid: 'SM000000000000000000000000000000aa', from: them(103), to: us, body: 'You missed me', status: 'received',
        direction: 'inbound', date_created: 'Tue, 24 Nov 2026 16:40:03 +0000', num_media: '0', num_segments: '1', error_code: null, error_message: null },
      SM000000000000000000000000000000ab: {
        sid: 'SM000000000000000000000000000000ab', from: them(104), to: us, body: 'my secret', status: 'received',
        direction: 'inbound', date_created: 'Tue, 24 Nov 2026 16:40:03 +0000', num_media: '0', num_segments: '1', error_code: null, error_message: null } },
    } });
    phony = await startPhony({ sims: { carrier }, settings: { MONGODB_URL: mongo?.url ?? '' } });
  });
  after(async () => {
    assert.equal((await phony.stop()).code, 0);
    assert.equal(await carrier.stop(), 0);
    await mongo?.stop();
    await noProcesses();
  });

  test('a message is sent, and its delivery told', async () => {
    const to = someone();
    const { status: code, body } = await send(phony, to, '  Your table for two is booked — 7 pm 😀 ');
    assert.equal(code, 200, JSON.stringify(body));
    assert.equal(body.status, 'success');
    assert.equal(body.message, `SMS sent successfully to ${to}`);
    assert.match(body.data.messageSid, /^SM[0-9a-f]{32}$/);
    assert.equal(body.data.body, 'Your table for two is booked — 7 pm 😀');
    assert.deepEqual([body.data.encoding, body.data.segments, body.data.mediaCount], ['UCS-2', 1, 0]);
    assert.ok(Date.parse(body.data.sentAt) > Date.now() - 60000);
    const created = await carrier.events.wait((e) => e.event === 'message-created' && e.to === to, 'the message');
    assert.deepEqual([created.from, created.body], [us, 'Your table for two is booked — 7 pm 😀']);
    const told = await settled(phony, body.data.messageSid, 'delivered');
    assert.equal(told.direction, 'outbound');
    assert.equal(told.twilioStatus, 'delivered');
    // The name it had before Twilio gave one finds it, too.
    assert.equal((await get(phony, told.requestId)).body.data.messageSid, told.messageSid);
  });

  test('media make it an MMS', async () => {
    const to = someone();
    const mediaUrls = ['https://example.com/menu.png', 'https://example.com/map.jpg'];
    const { body } = await phony.api('POST', '/api/sms/send', { toNumber: to, mediaUrls });
    assert.equal(body.message, `MMS sent successfully to ${to}`);
    assert.match(body.data.messageSid, /^MM/);
    assert.deepEqual(body.data.mediaUrls, mediaUrls);
    assert.equal((await carrier.events.wait((e) => e.event === 'message-created' && e.to === to, 'the message')).media, 2);
  });

  test('what cannot be delivered says why', async () => {
    const { body } = await send(phony, them(101));
    const told = await settled(phony, body.data.messageSid, 'undelivered');
    assert.equal(told.errorCode, 30003);
    assert.match(told.errorMessage, /phone is off/);
  });

  test('what Twilio refuses is told in its words and ours, and kept as failed', async () => {
    const refused = await send(phony, '+15005550001');
    assert.equal(refused.status, 502);
    assert.match(refused.body.message, /Twilio error 21211: .*Check toNumber/);
    const opted = await send(phony, them(102));
    assert.equal(opted.status, 502);
    assert.match(opted.body.message, /21610.*opted out/);
    const { body } = await phony.api('GET', `/api/sms/messages?toNumber=${encodeURIComponent(them(102))}`);
    assert.deepEqual(body.data.messages.map((m) => [m.status, m.errorCode]), [['failed', 21610]]);
    // The second time Twilio is not even asked.
    const asked = carrier.events.filter((e) => e.event === 'message-request').length;
    assert.equal((await send(phony, them(102))).status, 403);
    assert.equal(carrier.events.filter((e) => e.event === 'message-request').length, asked);
  });

  test('bad input gets a clear error, and nothing is stored', async () => {
    const count = async () => (await phony.api('GET', '/api/sms/messages?limit=200')).body.data.count;
    const before = await count();
    const cases = [
      [{}, /toNumber is missing/],
      [{ toNumber: '12025550198', body: 'x' }, /toNumber: Phone number must be in E.164 format/],
      [{ toNumber: '+1 202 555 0198', body: 'x' }, /E.164/],
      [{ toNumber: { $gt: '' }, body: 'x' }, /toNumber must be a text/],
      [{ toNumber: them(1), body: { $ne: null } }, /body must be a text/],
      [{ toNumber: them(1) }, /Either message body or media URLs are required/],
      [{ toNumber: them(1), body: ' \n ' }, /Either message body or media URLs are required/],
      [{ toNumber: them(1), body: 'a'.repeat(1601) }, /SMS body too long \(1601 characters\)\. Maximum is 1600 characters/],
      [{ toNumber: them(1), body: '😀'.repeat(801) }, /1602 characters/],
      [{ toNumber: them(1), body: 'x', fromNumber: '+12025550144' }, /SMS sending is not enabled for number \+12025550144/],
      [{ toNumber: them(1), mediaUrls: Array(11).fill('https://example.com/x.png') }, /mediaUrls must be a list of 0 to 10/],
      [{ toNumber: them(1), mediaUrls: ['ftp://example.com/x'] }, /no http or https URL/],
      [{ toNumber: them(1), body: 'x', sendAt: '2020-01-01' }, /sendAt is in the past/],
      [{ toNumber: them(1), body: 'x', sendAt: '2026-13-45' }, /sendAt must be .*zone/],
      [{ toNumber: them(1), body: 'x', sendAt: '2099-12-01' }, /sendAt must .*zone/],
      [{ toNumber: them(1), body: 'x', sendAt: '2099-12-01T09:00:00' }, /sendAt must .*zone/],
    ];
    for (const [body, words] of cases) {
      const answer = await phony.api('POST', '/api/sms/send', body);
      assert.equal(answer.status, 400, JSON.stringify(body));
      assert.match(answer.body.message, words);
    }
    for (const [text, words] of [['{"toNumber":"+12025550198","body":"\\ud83d"}', /not JSON/], ['{"toNumber":"+12025550198","body":"a\\u0000b"}', /not JSON/], ['[]', /object/], ['', /missing/]]) {
      const answer = await phony.api('POST', '/api/sms/send', text);
      assert.equal(answer.status, 400, text);
      assert.match(answer.body.message, words);
    }
    assert.equal((await phony.api('POST', '/api/sms/send', `{"toNumber":"+12025550198","body":"${'a'.repeat(300 * 1024)}"}`)).status, 413);
    for (const [query, words] of [['limit=0', /limit must be 1 to 200/], ['limit=-1', /limit must be/], ['limit=201', /limit must be 1 to 200/], ['limit=ten', /whole number/],
      ['status=%7B%22%24gt%22%3A%22%22%7D', /status must be/], ['direction=sideways', /direction must be inbound or outbound/], ['startDate=2026-02-30', /startDate/], ['endDate=yesterday', /endDate/],
      ['fromNumber=%2B1%20202', /E.164/], ['cursor=1', /cursor/]]) {
      const answer = await phony.api('GET', `/api/sms/messages?${query}`);
      assert.equal(answer.status, 400, query);
      assert.match(answer.body.message, words);
    }
    for (const id of ['SM1', 'CA00000000000000000000000000000001', 'SM%24gt0000000000000000000000000000'])
      assert.equal((await get(phony, id)).status, 400);
    assert.equal((await get(phony, sid(999))).status, 404);
    assert.equal((await phony.api('DELETE', '/api/sms/messages')).status, 400);
    assert.match((await phony.api('DELETE', '/api/sms/messages')).body.message, /at least one filter/);
    assert.equal((await phony.api('GET', '/api/sms/conversation?phoneNumber1=%2B12025550143')).status, 400);
    assert.equal((await phony.api('PATCH', '/api/sms/messages')).status, 405);
    assert.equal((await fetch(`http://127.0.0.1:${phony.port}/api/sms/messages`)).status, 401);
    assert.equal(await count(), before);
  });

  test('an incoming message is stored once, with its media', async () => {
    const from = someone(), id = sid(1);
    const params = { MessageSid: id, From: from, To: us, Body: 'Grüße, 7pm? 😀', NumMedia: '2', MediaUrl0: 'https://api.twilio.com/1', MediaContentType0: 'image/jpeg', MediaUrl1: 'https://api.twilio.com/2', MediaContentType1: 'video/mp4', FromCity: 'WASHINGTON', Empty: '' };
    for (let i = 0; i < 3; i++) {
      const answer = await incoming(phony, params);
      assert.equal(answer.status, 200);
      assert.match(answer.headers.get('content-type'), /^text\/xml/);
      assert.match(answer.text, /^<\?xml[^]*<Response\s*\/>$/);
    }
    await incoming(phony, { ...params, Body: 'another text' });
    const { body } = await get(phony, id);
    assert.equal(body.data.body, 'Grüße, 7pm? 😀');
    assert.equal(body.data.status, 'received');
    assert.equal(body.data.direction, 'inbound');
    assert.deepEqual(body.data.mediaUrls, ['https://api.twilio.com/1', 'https://api.twilio.com/2']);
    assert.deepEqual(body.data.mediaTypes, ['image/jpeg', 'video/mp4']);
    assert.equal(body.data.numMedia, 2);
    const list = await phony.api('GET', `/api/sms/messages?fromNumber=${encodeURIComponent(from)}`);
    assert.equal(list.body.data.count, 1);
  });

  test('webhooks of others are refused', async () => {
    const params = { MessageSid: sid(2), From: someone(), To: us, Body: 'x', NumMedia: '0' };
    assert.equal((await hook(phony, '/sms/incoming', params, { token: 'f'.repeat(32) })).status, 403);
    assert.equal((await hook(phony, '/sms/incoming', params, { signature: null })).status, 403);
    assert.equal((await hook(phony, '/sms/incoming', { ...params, MessageSid: '' })).status, 400);
    assert.equal((await hook(phony, '/sms/incoming', { ...params, MessageSid: 'SMx' })).status, 400);
    assert.equal((await hook(phony, '/sms/incoming', { MessageSid: sid(2), To: us, Body: 'x' })).status, 400);
    assert.equal((await hook(phony, '/sms/status', { MessageSid: sid(2) })).status, 400);
    assert.equal((await fetch(`http://127.0.0.1:${phony.port}/sms/incoming`)).status, 405);
    assert.equal((await get(phony, sid(2))).status, 404);
  });

  test("what Twilio's package signs is accepted: query strings, repeated parameters, Unicode, ports", async () => {
    const params = { MessageSid: sid(5), From: someone(), To: us, Body: 'Zwölf 😀 + & = %', NumMedia: '0', Extra: ['b', 'a', 'b'], 'Ünicode': 'ß', Empty: '' };
    assert.equal((await hook(phony, '/sms/incoming?x=1&y=%C3%A9%20z', params)).status, 200);
    const signature = twilio.getExpectedTwilioSignature(account.token, `${phony.env.PUBLIC_URL}/sms/incoming`, { ...params, MessageSid: sid(6) });
    assert.equal((await hook(phony, '/sms/incoming', { ...params, MessageSid: sid(6) }, { signature })).status, 200);
    assert.equal((await hook(phony, '/sms/incoming', { ...params, MessageSid: sid(7) }, { signature })).status, 403);
    assert.equal((await get(phony, sid(5))).body.data.body, params.Body);
    // And the other way round: the signatures that our code makes (tests/unit/test_twilio.c) pass the package's validator.
    const { auth_token: token, vectors } = JSON.parse(fs.readFileSync(path.join(root, 'tests/data/signatures.json')));
    const forms = vectors.filter((v) => v.method === 'POST' && v.params && !/slash/.test(v.about));
    assert.ok(forms.length >= 5);
    for (const v of forms) {
      const form = {};
      for (const [name, value] of v.params) form[name] = name in form ? [form[name], value].flat() : value;
      assert.ok(twilio.validateRequest(token, v.signature, v.url, form), v.about);
    }
  });

  test('states move forward only', async () => {
    const { body } = await send(phony, someone());
    const id = body.data.messageSid;
    await settled(phony, id, 'delivered');
    for (const state of ['sent', 'queued', 'sending', 'undelivered', 'nonsense']) assert.equal((await status(phony, id, state)).status, 204);
    assert.equal((await get(phony, id)).body.data.status, 'delivered');
    assert.equal((await status(phony, id, 'read')).status, 204);
    assert.equal((await get(phony, id)).body.data.status, 'read');
  });

  test('who says STOP is not written to, until START', async () => {
    const person = someone();
    await incoming(phony, { MessageSid: sid(10), From: person, To: us, Body: 'STOP', OptOutType: 'STOP', NumMedia: '0' });
    const refused = await send(phony, person);
    assert.equal(refused.status, 403);
    assert.match(refused.body.message, /opted out/);
    assert.equal((await get(phony, sid(10))).body.data.optOutType, 'STOP');
    await incoming(phony, { MessageSid: sid(11), From: person, To: us, Body: 'start', NumMedia: '0' });
    assert.equal((await send(phony, person)).status, 200);
    await incoming(phony, { MessageSid: sid(12), From: person, To: us, Body: ' stop ', NumMedia: '0' });
    assert.equal((await send(phony, person)).status, 403);
    await incoming(phony, { MessageSid: sid(13), From: person, To: us, Body: 'Please stop by at 7', NumMedia: '0' });
    assert.equal((await send(phony, person)).status, 403);
  });

  test('a message that only Twilio knows is asked for there', async () => {
    const { status: code, body } = await get(phony, 'SM000000000000000000000000000000aa');
    assert.equal(code, 200);
    assert.equal(body.data.body, 'You missed me');
    assert.equal(body.data.createdAt, '2026-11-24T16:40:03.000Z');
    // What somebody sent us is kept.
    assert.equal((await phony.api('GET', `/api/sms/messages?fromNumber=${encodeURIComponent(them(103))}`)).body.data.count, 1);
  });

  test('lists: every filter, pages that lose nothing', async () => {
    const person = someone(), other = someone();
    for (let i = 0; i < 7; i++) await incoming(phony, { MessageSid: sid(20 + i), From: i % 2 ? person : other, To: us, Body: `list ${i}`, NumMedia: '0' });
    const list = async (query) => (await phony.api('GET', `/api/sms/messages?${new URLSearchParams(query)}`)).body;
    assert.equal((await list({ fromNumber: person })).data.count, 3);
    assert.equal((await list({ toNumber: us, fromNumber: other, direction: 'inbound', status: 'received' })).data.count, 4);
    assert.equal((await list({ fromNumber: other, direction: 'outbound' })).data.count, 0);
    const today = new Date().toISOString().slice(0, 10);
    assert.equal((await list({ fromNumber: other, startDate: today, endDate: today })).data.count, 4);
    assert.equal((await list({ fromNumber: other, endDate: '2020-01-01' })).data.count, 0);
    assert.equal((await list({ fromNumber: other, startDate: `${today}T00:00:00+00:00` })).data.count, 4);
    assert.equal((await list({ fromNumber: other, startDate: '2099-01-01T00:00:00' })).data.count, 0);
    const seen = [];
    for (let cursor; ;) {
      const page = await list({ fromNumber: other, limit: 3, ...(cursor ? { cursor } : {}) });
      assert.ok(page.data.count <= 3);
      seen.push(...page.data.messages.map((m) => m.messageSid));
      cursor = page.nextCursor;
      assert.equal(cursor, page.data.nextCursor);
      if (!cursor) break;
    }
    assert.deepEqual(seen, [26, 24, 22, 20].map((n) => sid(n)));
  });

  test('a conversation is read from top to bottom, the newest part first', async () => {
    const person = someone();
    await incoming(phony, { MessageSid: sid(30), From: person, To: us, Body: 'one', NumMedia: '0' });
    await send(phony, person, 'two');
    await incoming(phony, { MessageSid: sid(31), From: person, To: us, Body: 'three', NumMedia: '0' });
    const read = async (more = '') => (await phony.api('GET', `/api/sms/conversation?phoneNumber1=${encodeURIComponent(person)}&phoneNumber2=${encodeURIComponent(us)}${more}`)).body;
    const whole = await read();
    assert.deepEqual(whole.data.conversation.map((m) => m.body), ['one', 'two', 'three']);
    assert.deepEqual([whole.data.phoneNumber1, whole.data.phoneNumber2, whole.data.messageCount], [person, us, 3]);
    const newest = await read('&limit=2');
    assert.deepEqual(newest.data.conversation.map((m) => m.body), ['two', 'three']);
    assert.deepEqual((await read(`&limit=2&cursor=${encodeURIComponent(newest.nextCursor)}`)).data.conversation.map((m) => m.body), ['one']);
  });

  test('search finds words, without case and accents, by number and direction', async () => {
    const person = someone();
    await incoming(phony, { MessageSid: sid(40), From: person, To: us, Body: 'Réservation confirmée pour Zwölf', NumMedia: '0' });
    await send(phony, person, 'The reservation for zwolf is fine');
    const search = async (query) => (await phony.api('GET', `/api/sms/search?${new URLSearchParams(query)}`)).body.data;
    assert.equal((await search({ query: 'RESERVATION zwölf' })).count, 2);
    assert.equal((await search({ query: 'reservation', direction: 'inbound' })).count, 1);
    assert.equal((await search({ query: 'reservation', phoneNumber: person })).count, 2);
    assert.equal((await search({ query: 'reservation', phoneNumber: them(1) })).count, 0);
    assert.equal((await search({ query: 'confirm*' })).count, 1);
    assert.equal((await search({ query: 'reserva' })).count, 0);
    assert.equal((await phony.api('GET', '/api/sms/search?query=%22%20*')).status, 400);
  });

  test('tags: lower case, added, removed, searched by any and all', async () => {
    const person = someone();
    for (const i of [50, 51]) await incoming(phony, { MessageSid: sid(i), From: person, To: us, Body: 'tag me', NumMedia: '0' });
    const tag = (method, id, tags, recordType = 'sms') => phony.api(method, '/api/tags', { recordType, recordId: id, tags });
    assert.deepEqual((await tag('POST', sid(50), ['Urgent', ' VIP ', 'urgent'])).body.data.tags, ['urgent', 'vip']);
    await tag('POST', sid(51), ['vip', 'ÄRGER']);
    const search = async (query) => (await phony.api('GET', `/api/tags?${query}`)).body.data.records.map((r) => r.recordId);
    assert.deepEqual(await search('tags=URGENT,%C3%A4rger&recordType=sms'), [sid(51), sid(50)]);
    assert.deepEqual(await search('tags=urgent,vip&matchAll=true'), [sid(50)]);
    assert.deepEqual((await tag('DELETE', sid(50), ['VIP', 'nothing'])).body.data.tags, ['urgent']);
    assert.deepEqual(await search('tags=vip'), [sid(51)]);
    assert.equal((await tag('POST', sid(998), ['x'])).status, 404);
    assert.equal((await tag('POST', sid(50), [])).status, 400);
    assert.equal((await tag('POST', sid(50), ['x'], 'letter')).status, 400);
    assert.equal((await tag('POST', 'RE00000000000000000000000000000001', ['x'], 'voicemail')).status, 404);
  });

  test('deletion: of one, and by filter', async () => {
    const person = someone();
    for (let i = 60; i < 64; i++) await incoming(phony, { MessageSid: sid(i), From: person, To: us, Body: 'delete me', NumMedia: '0' });
    assert.equal((await phony.api('DELETE', `/api/sms/messages/${sid(60)}`)).body.data.deletedCount, 1);
    assert.equal((await get(phony, sid(60))).status, 404);
    assert.equal((await phony.api('DELETE', `/api/sms/messages/${sid(60)}`)).status, 404);
    assert.equal((await phony.api('DELETE', '/api/sms/messages', { fromNumber: person })).body.data.deletedCount, 3);
    assert.equal((await phony.api('GET', `/api/sms/search?query=delete&phoneNumber=${encodeURIComponent(person)}`)).body.data.count, 0);
  });

  test('groups: made, written to, answered, changed', async () => {
    const [a, b] = [someone(), someone()];
    const made = await phony.api('POST', '/api/conversations', { participants: [a, b], createdBy: us, name: 'Dinner' });
    assert.equal(made.status, 201, made.text);
    const { conversationId, participants, type, name } = made.body.data;
    assert.match(conversationId, /^conv_group_[0-9a-f]{32}$/);
    assert.deepEqual([type, name, participants], ['group', 'Dinner', [us, a, b].sort()]);
    const same = await phony.api('POST', '/api/conversations', { participants: [b, a, us], createdBy: us });
    assert.deepEqual([same.status, same.body.data.conversationId], [200, conversationId]);
    const at = `/api/conversations/${conversationId}`;
    const sent = await phony.api('POST', `${at}/send`, { fromNumber: us, body: 'Hello all' });
    assert.equal(sent.body.data.sent, 2);
    assert.match(sent.body.message, /sent to 2 of 2/);
    // An answer belongs to where the talk was.
    await incoming(phony, { MessageSid: sid(70), From: a, To: us, Body: 'Hi', NumMedia: '0' });
    assert.equal((await get(phony, sid(70))).body.data.conversationId, conversationId);
    const read = (await phony.api('GET', `${at}/messages`)).body.data.messages;
    assert.deepEqual(read.map((m) => m.body), ['Hello all', 'Hello all', 'Hi']);
    // Who is written to alone answers there.
    await send(phony, a, 'just you');
    await incoming(phony, { MessageSid: sid(71), From: a, To: us, Body: 'yes', NumMedia: '0' });
    assert.notEqual((await get(phony, sid(71))).body.data.conversationId, conversationId);
    // One of them cannot be written to: told, the others get it.
    const added = await phony.api("POST", `${at}/participants`, { phoneNumber: "+15005550001" });
    assert.equal(added.body.data?.participants.length, 4, added.text);
    const partly = (await phony.api('POST', `${at}/send`, { fromNumber: us, body: 'Again' })).body;
    assert.deepEqual([partly.data.total, partly.data.sent, partly.data.failed], [3, 2, 1]);
    assert.match(partly.data.results.find((r) => r.toNumber === '+15005550001').error, /21211/);
    assert.match(partly.message, /not to \+15005550001: Twilio error 21211/);
    assert.equal((await phony.api('DELETE', `${at}/participants/${encodeURIComponent('+15005550001')}`)).body.data.participants.length, 3);
    assert.equal((await phony.api('DELETE', `${at}/participants`, { phoneNumber: them(9) })).status, 404);
    assert.equal((await phony.api('PUT', `${at}/name`, { name: 'Supper' })).body.data.name, 'Supper');
    const details = (await phony.api('GET', at)).body.data;
    assert.deepEqual([details.name, details.messageCount], ['Supper', 6]);
    const list = (await phony.api('GET', `/api/conversations?phoneNumber=${encodeURIComponent(a)}`)).body.data.conversations;
    assert.deepEqual(list.map((c) => c.type).sort(), ['1-to-1', 'group']);
    assert.equal((await phony.api('POST', '/api/conversations', { participants: [a], createdBy: us })).status, 400);
    assert.equal((await phony.api('GET', '/api/conversations/conv_nothing')).status, 404);
    assert.equal((await phony.api('POST', `${at}/send`, { fromNumber: '+12025550144', body: 'x' })).status, 400);
  });

  test('a group made again after one left is a group of all of them', async () => {
    const [a, b] = [someone(), someone()];
    const make = (participants = [a, b]) => phony.api('POST', '/api/conversations', { participants, createdBy: us });
    const first = (await make()).body.data.conversationId;
    await phony.api('DELETE', `/api/conversations/${first}/participants/${encodeURIComponent(b)}`);
    const made = await Promise.all([...Array(5)].map(() => make()));
    const again = made[0].body.data;
    assert.deepEqual(again.participants, [us, a, b].sort());
    assert.notEqual(again.conversationId, first);
    // Asked for at once, it is made once; and it is found whatever it began with.
    assert.deepEqual(made.map((m) => m.body.data.conversationId), made.map(() => again.conversationId));
    assert.deepEqual(made.map((m) => m.status).toSorted(), [200, 200, 200, 200, 201]);
    const c = someone();
    await phony.api('POST', `/api/conversations/${again.conversationId}/participants`, { phoneNumber: c });
    const wider = await make([a, b, c]);
    assert.deepEqual([wider.status, wider.body.data.conversationId], [200, again.conversationId]);
  });

  test('a message that was deleted does not come back: by a look at Twilio, or a repeat of its webhook', async () => {
    const inbound = 'SM000000000000000000000000000000ab', from = them(104);
    const params = { MessageSid: inbound, From: from, To: us, Body: 'my secret', NumMedia: '0' };
    const count = async () => (await phony.api('GET', `/api/sms/messages?fromNumber=${encodeURIComponent(from)}`)).body.data.count;
    const talks = async () => (await phony.api('GET', `/api/conversations?phoneNumber=${encodeURIComponent(from)}`)).body.data.count;
    for (const remove of [() => phony.api('DELETE', `/api/sms/messages/${inbound}`), () => phony.api('DELETE', `/api/sms/messages?fromNumber=${encodeURIComponent(from)}`)]) {
      await incoming(phony, { ...params, MessageSid: inbound });
      if (remove.toString().includes('?')) await incoming(phony, { ...params, MessageSid: sid(120) });
      const [before] = [await count()];
      const { body } = await remove();
      assert.equal(body.data.deletedCount, before, JSON.stringify(body));
      for (const id of [inbound, sid(120)]) {
        assert.equal((await get(phony, id)).status, 404);
        if (before > 0 || id === inbound) assert.equal((await incoming(phony, { ...params, MessageSid: id === inbound ? inbound : sid(121) })).status, 200);
      }
      await phony.api('DELETE', `/api/sms/messages/${sid(121)}`);
      assert.equal(await count(), 0);
      assert.equal(await talks(), 0); // a talk of two without a message says whom we wrote with
    }
  });

  test('bytes that are no text are cleaned, and lose no message', async () => {
    const from = someone();
    const raw = async (id, body) => {
      const url = `${phony.env.PUBLIC_URL}/sms/incoming`;
      const form = `Body=${body}&From=${encodeURIComponent(from)}&MessageSid=${id}&NumMedia=0&To=${encodeURIComponent(us)}`;
      // Signed over the bytes as they are: name and value of each parameter, sorted by name.
      const signed = Buffer.concat([Buffer.from(url), ...form.split('&').flatMap((part) => part.split('=').map((one) => Buffer.from(unescape(one), 'latin1')))]);
      const signature = crypto.createHmac('sha1', account.token).update(signed).digest('base64');
      return fetch(`http://127.0.0.1:${phony.port}/sms/incoming`, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': signature }, body: form });
    };
    for (const [i, [body, stored]] of [['email xx.yy%00live.com', 'email xx.yy\ufffdlive.com'], ['Qu%E9bec', 'Qu\ufffdbec'], ['%00', '\ufffd']].entries()) {
      assert.equal((await raw(sid(130 + i), body)).status, 200, body);
      assert.equal((await get(phony, sid(130 + i))).body.data.body, stored);
    }
    // The same by Twilio's package.
    assert.equal((await incoming(phony, { MessageSid: sid(135), From: from, To: us, Body: 'a\0b', NumMedia: '0' })).status, 200);
  });

  test('lists are filtered by whoever can be a sender', async () => {
    for (const [i, From] of ['68849', 'SUPPORT', 'Zeus Inc', 'anonymous', 'whatsapp:+12025550199'].entries()) {
      await incoming(phony, { MessageSid: sid(140 + i), From, To: us, Body: `hello from ${i}`, NumMedia: '0' });
      const q = encodeURIComponent(From);
      assert.equal((await phony.api('GET', `/api/sms/messages?fromNumber=${q}`)).body.data?.count, 1, From);
      assert.equal((await phony.api('GET', `/api/sms/search?query=hello&phoneNumber=${q}`)).body.data?.count, 1, From);
      assert.equal((await phony.api('GET', `/api/sms/conversation?phoneNumber1=${q}&phoneNumber2=${encodeURIComponent(us)}`)).body.data?.messageCount, 1, From);
      assert.equal((await phony.api('GET', `/api/conversations?phoneNumber=${q}`)).body.data?.count, 1, From);
      assert.equal((await phony.api('GET', `/api/calls?fromNumber=${q}`)).status, 200, From);
      assert.equal((await phony.api('GET', `/api/voicemails?fromNumber=${q}`)).status, 200, From);
      assert.equal((await phony.api('GET', `/api/search/calls?query=x&phoneNumber=${q}`)).status, 200, From);
      assert.equal((await phony.api('DELETE', `/api/sms/messages?fromNumber=${q}`)).body.data?.deletedCount, 1, From);
    }
    for (const typo of ['12025550198', '+1 202', '12']) assert.equal((await phony.api('GET', `/api/sms/messages?fromNumber=${encodeURIComponent(typo)}`)).status, 400, typo);
  });

  test('lines of a body reach Twilio as they are', async () => {
    const to = someone();
    assert.equal((await send(phony, to, 'line one\r\nline two\nthree')).status, 200);
    const created = await carrier.events.wait((e) => e.event === 'message-created' && e.to === to, 'the message');
    assert.equal(created.body, 'line one\r\nline two\nthree');
  });

  test('who opts out before a message is due does not get it', async () => {
    const person = someone();
    const later = await send(phony, person, 'too late', { sendAt: new Date(Date.now() + 1200).toISOString() });
    await incoming(phony, { MessageSid: sid(150), From: person, To: us, Body: 'STOP', NumMedia: '0' });
    const told = await settled(phony, later.body.data.messageSid, 'failed');
    assert.equal(told.errorCode, 21610);
    assert.equal(carrier.events.filter((e) => e.event === 'message-request' && e.to === person).length, 0);
  });

  test('templates with fields', async () => {
    const template = { name: 'table', body: 'Hello {{ name }}, your table for {{people}} is booked.', description: 'bookings' };
    const made = await phony.api('POST', '/api/sms/templates', template);
    assert.equal(made.status, 201, made.text);
    assert.deepEqual(made.body.data.fields, ['name', 'people']);
    assert.equal((await phony.api('POST', '/api/sms/templates', template)).status, 409);
    const to = someone();
    const use = (fields) => phony.api('POST', '/api/sms/send', { toNumber: to, template: 'table', fields });
    assert.match((await use({ name: 'Ann' })).body.message, /people is missing/);
    assert.equal((await use({ name: 'Ann', people: 2 })).body.data.body, 'Hello Ann, your table for 2 is booked.');
    await phony.api('PUT', '/api/sms/templates/table', { body: 'Hi {{name}}' });
    assert.equal((await use({ name: 'Ann' })).body.data.body, 'Hi Ann');
    assert.equal((await phony.api('GET', '/api/sms/templates')).body.data.count, 1);
    assert.equal((await phony.api('DELETE', '/api/sms/templates/table')).status, 200);
    assert.equal((await use({ name: 'Ann' })).status, 404);
  });

  test('many at once, at a rate, with a result for each', async () => {
    const people = [someone(), someone(), '+15005550001', someone()];
    await phony.api('POST', '/api/sms/templates', { name: 'news', body: 'Hi {{name}}: {{what}}' });
    const started = await phony.api('POST', '/api/sms/bulk', { toNumbers: people.map((toNumber, i) => ({ toNumber, fields: { name: `P${i}` } })), template: 'news', fields: { what: 'open' }, ratePerMinute: 6000 });
    assert.equal(started.status, 202, started.text);
    const { bulkId, total } = started.body.data;
    assert.equal(total, 4);
    const done = await until(async () => {
      const { body } = await phony.api('GET', `/api/sms/bulk/${bulkId}`);
      return body.data.pending === 0 && body.data.counts.delivered === 3 ? body.data : null;
    }, 'all to be sent');
    assert.equal(done.status, 'done');
    assert.deepEqual(done.counts, { delivered: 3, failed: 1 });
    assert.match(done.results.find((r) => r.toNumber === '+15005550001').errorMessage, /21211/);
    assert.deepEqual([done.sent, done.failed], [3, 1]);
    const listed = (await phony.api('GET', '/api/sms/bulk')).body.data.bulks.find((b) => b.bulkId === bulkId);
    assert.deepEqual([listed.status, listed.total, listed.sent, listed.failed, listed.pending], ['done', 4, 3, 1, 0]);
    assert.deepEqual(carrier.events.filter((e) => e.event === 'message-created' && e.body.endsWith(': open')).map((e) => e.body).sort(), ['Hi P0: open', 'Hi P1: open', 'Hi P3: open']);
    // One a minute: all but the first can be taken back.
    const slow = (await phony.api('POST', '/api/sms/bulk', { toNumbers: [someone(), someone(), someone()], body: 'slow', ratePerMinute: 1 })).body.data;
    await until(async () => (await phony.api('GET', `/api/sms/bulk/${slow.bulkId}`)).body.data.counts.delivered === 1, 'the first');
    const taken = (await phony.api('POST', `/api/sms/bulk/${slow.bulkId}/cancel`)).body;
    assert.deepEqual(taken.data.counts, { canceled: 2, delivered: 1 });
    assert.equal((await phony.api('POST', '/api/sms/bulk', { toNumbers: [them(1), them(1)], body: 'x' })).status, 400);
    assert.equal((await phony.api('POST', '/api/sms/bulk', { toNumbers: [], body: 'x' })).status, 400);
    assert.equal((await phony.api('GET', '/api/sms/bulk/none')).status, 404);
  });

  test('a message for later: kept, sent once, taken back', async () => {
    const [now, never] = [someone(), someone()];
    const later = await send(phony, now, 'later', { sendAt: new Date(Date.now() + 1500).toISOString() });
    assert.equal(later.status, 202);
    assert.deepEqual([later.body.data.status, later.body.data.messageSid.slice(0, 2)], ['scheduled', 'PM']);
    const far = await send(phony, never, 'never', { sendAt: new Date(Date.now() + 3600000).toISOString() });
    assert.equal((await phony.api('DELETE', `/api/sms/messages/${far.body.data.messageSid}`)).status, 409);
    assert.equal((await phony.api('POST', `/api/sms/messages/${far.body.data.messageSid}/cancel`)).body.data.status, 'canceled');
    assert.equal((await phony.api('POST', `/api/sms/messages/${far.body.data.messageSid}/cancel`)).status, 409);
    await settled(phony, later.body.data.messageSid, 'delivered');
    assert.equal(carrier.events.filter((e) => e.event === 'message-created' && e.to === now).length, 1);
    assert.equal(carrier.events.filter((e) => e.event === 'message-request' && e.to === never).length, 0);
  });
});

test('every way an answer can be lost: accepted exactly once', async () => {
  const faults = ['drop', 'lose', 'late', '500', '500-done', 'slow', '429'];
  await together({ faults }, { TWILIO_TIMEOUT_SECONDS: '5' }, async (phony, carrier) => {
    const people = faults.map(() => someone());
    await Promise.all(people.map((to) => send(phony, to, `to ${to}`)));
    const ended = await Promise.all(people.map((to) => until(async () => {
      const { body } = await phony.api('GET', `/api/sms/messages?toNumber=${encodeURIComponent(to)}`);
      return body.data.messages[0]?.status === 'delivered' ? body.data : null;
    }, `the message to ${to}`, 40000)));
    for (const [i, to] of people.entries()) {
      assert.equal(ended[i].count, 1);
      assert.equal(carrier.events.filter((e) => e.event === 'message-created' && e.to === to).length, 1, faults[i]);
    }
  });
});

test('no callback comes to help: what was accepted is found in Twilio\'s list, and nothing is sent again', async () => {
  // Late: Twilio has it only after the first look.
  await together({ faults: ['drop', 'lose', 'late', '500-done'], late_ms: 4000, callbacks: ['none'] }, { TWILIO_TIMEOUT_SECONDS: '5' }, async (phony, carrier) => {
    const people = [...Array(4)].map(() => someone());
    await Promise.all(people.map((to) => send(phony, to, `to ${to}`)));
    for (const to of people) {
      const message = await until(async () => {
        const { body } = await phony.api('GET', `/api/sms/messages?toNumber=${encodeURIComponent(to)}`);
        return body.data.messages[0]?.messageSid.startsWith('SM') ? body.data.messages[0] : null;
      }, `the message to ${to}`, 30000);
      const accepted = carrier.events.filter((e) => e.event === 'message-created' && e.to === to).map((e) => e.messageSid);
      assert.deepEqual(accepted, [message.messageSid]);
    }
    assert.equal(carrier.events.filter((e) => e.event === 'message-request').length, 5); // one was lost, and asked for again
  });
});

test("a trial account's sentence before the body does not hide a message", async () => {
  await together({ faults: ['500-done', 'drop'], prefix: 'Sent from your Twilio trial account - ', callbacks: ['none'] }, {}, async (phony, carrier) => {
    const people = [someone(), someone()];
    await Promise.all(people.map((to) => send(phony, to, 'Hello')));
    for (const to of people) {
      const [created] = carrier.events.filter((e) => e.event === 'message-created' && e.to === to);
      await until(async () => (await get(phony, created.messageSid)).body.data?.requestId, `the message to ${to}`);
    }
    assert.equal(carrier.events.filter((e) => e.event === 'message-request').length, 2);
  });
});

test('what Twilio does not take now is sent later; what it refuses is not', async () => {
  await together({ faults: ['21611', '14107', '21612'] }, {}, async (phony, carrier) => {
    const [full, fast, never] = [someone(), someone(), someone()];
    const waits = [];
    for (const to of [full, fast]) waits.push((await send(phony, to)).body.data);
    assert.deepEqual([(await send(phony, never)).status, ...waits.map((w) => w.status)], [502, 'queued', 'queued']);
    for (const { messageSid } of waits) await settled(phony, messageSid, 'delivered');
    assert.equal(carrier.events.filter((e) => e.event === 'message-request').length, 5);
  });
});

test('a message whose request is on its way is canceled if Twilio did not take it', async () => {
  await together({ faults: ['lose', 'drop'], callbacks: ['none'] }, { TWILIO_TIMEOUT_SECONDS: '5' }, async (phony, carrier) => {
    const [lost, taken] = [someone(), someone()];
    const list = async (to) => (await phony.api('GET', `/api/sms/messages?toNumber=${encodeURIComponent(to)}`)).body.data.messages[0];
    const sending = [lost, taken].map((to) => send(phony, to));
    for (const to of [lost, taken]) {
      const message = await until(() => list(to), 'the message');
      const canceled = await phony.api('POST', `/api/sms/messages/${message.messageSid}/cancel`);
      assert.equal(canceled.status, 202, canceled.text);
    }
    await until(async () => (await list(lost)).status === 'canceled', 'the lost one to be canceled', 30000);
    await until(async () => (await list(taken)).messageSid.startsWith('SM'), 'the other to be found');
    await Promise.all(sending);
    assert.equal(carrier.events.filter((e) => e.event === 'message-request').length, 2);
  });
});

for (const store of ['sqlite', 'mongodb']) test(`the emergency shutdown stops every message that Twilio does not have (${store})`, async () => {
  const mongo = store === 'mongodb' ? await startMongo() : null;
  const common = { MONGODB_URL: mongo?.url ?? '', TWILIO_TIMEOUT_SECONDS: '5' };
  const carrier = await startCarrier({ default: { script: [] }, messages: { faults: ['lose'], callbacks: ['none'] } });
  const phony = await startPhony({ sims: { carrier }, settings: common });
  // What another host has stored is stopped, too; here one whose Twilio is unreachable.
  const other = mongo ? await startPhony({ settings: common }) : phony;
  const lost = someone();
  const sending = send(phony, lost);
  await carrier.events.wait((e) => e.event === 'message-request', 'the request');
  const later = new Date(Date.now() + 3600000).toISOString();
  const scheduled = (await send(phony, someone(), 'later', { sendAt: later })).body.data.messageSid;
  const bulk = (await other.api('POST', '/api/sms/bulk', { toNumbers: [someone(), someone(), someone()], body: 'many', ratePerMinute: 6000, sendAt: later })).body.data.bulkId;
  const stopped = await phony.api('POST', '/api/emergency-shutdown');
  assert.equal(stopped.status, 200, stopped.text);
  const list = (await phony.api('GET', `/api/sms/bulk/${bulk}`)).body.data;
  assert.equal(list.status, 'canceled');
  assert.equal((await get(phony, scheduled)).body.data.status, 'canceled');
  await until(async () => (await phony.api('GET', `/api/sms/messages?toNumber=${encodeURIComponent(lost)}`)).body.data.messages[0].status === 'canceled', 'the one on its way to be given up', 30000);
  assert.deepEqual((await phony.api('GET', `/api/sms/bulk/${bulk}`)).body.data.counts, { canceled: 3 });
  assert.equal(carrier.events.filter((e) => e.event === 'message-request').length, 1);
  // What is asked for from now on is sent.
  assert.equal((await send(phony, someone())).status, 200);
  await sending;
  if (other !== phony) assert.equal((await other.stop()).code, 0);
  assert.equal((await phony.stop()).code, 0);
  assert.equal(await carrier.stop(), 0);
  await mongo?.stop();
  await noProcesses();
});

test('the list shows nothing: the callback, which has our id, settles it', async () => {
  await together({ faults: ['drop', '500-done'], blind: true }, {}, async (phony, carrier) => {
    const people = [someone(), someone()];
    const sent = await Promise.all(people.map((to) => send(phony, to, `to ${to}`)));
    for (const { body } of sent) await settled(phony, body.data.messageSid, 'delivered');
    assert.equal(carrier.events.filter((e) => e.event === 'message-request').length, 2);
  });
});

test('the same words to one person twice, both answers lost: two messages, each with its own name', async () => {
  await together({ faults: ['drop', 'drop'], callbacks: ['none'] }, {}, async (phony, carrier) => {
    const to = someone();
    await Promise.all([send(phony, to, 'ok'), send(phony, to, 'ok')]);
    const sids = await until(async () => {
      const { body } = await phony.api('GET', `/api/sms/messages?toNumber=${encodeURIComponent(to)}`);
      const named = body.data.messages.map((m) => m.messageSid).filter((id) => id.startsWith('SM'));
      return named.length === 2 && named;
    }, 'both');
    const accepted = carrier.events.filter((e) => e.event === 'message-created').map((e) => e.messageSid);
    assert.deepEqual(sids.toSorted(), accepted.toSorted());
    assert.equal(carrier.events.filter((e) => e.event === 'message-request').length, 2);
  });
});

test('Twilio unreachable: stored, told so, sent when it is back; Retry-After honoured', async () => {
  await together({ faults: ['429:3'] }, {}, async (phony, carrier) => {
    const to = someone();
    const begun = Date.now();
    const answer = await send(phony, to, 'patience');
    assert.equal(answer.status, 202);
    assert.match(answer.body.message, /stored and will be sent/);
    await settled(phony, answer.body.data.messageSid, 'delivered');
    assert.ok(Date.now() - begun >= 3000);
    assert.equal(carrier.events.filter((e) => e.event === 'message-request').length, 2);
  });
  // An absurd time is an hour: the account may not be silent for ever.
  await together({ faults: ['429:99999999999'] }, {}, async (phony) => {
    await send(phony, someone(), 'patience');
    assert.ok(phony.log.find((line) => /waits 3600 s/.test(line)), 'an hour at most');
  });
  const phony = await startPhony();
  const answer = await send(phony, someone(), 'nobody there');
  assert.equal(answer.status, 202);
  assert.equal((await get(phony, answer.body.data.messageSid)).body.data.status, 'queued');
  assert.equal((await phony.stop()).code, 0);
});

test('callbacks reordered, doubled, before the answer, and without our id', async () => {
  for (const callbacks of [['reorder', 'double'], ['early', 'double'], ['early', 'reorder', 'anonymous']]) {
    await together({ callbacks }, {}, async (phony) => {
      const sent = await Promise.all([...Array(10)].map(() => send(phony, someone())));
      for (const { body } of sent) await settled(phony, body.data.messageSid, 'delivered');
      const { body } = await phony.api('GET', '/api/sms/messages');
      assert.equal(body.data.count, 10);
    });
  }
});

test('a callback for a message that is not ours changes nothing', async () => {
  await together({ callbacks: ['none'] }, {}, async (phony, carrier) => {
    const to = someone();
    const stray = sid(700);
    assert.equal((await status(phony, stray, 'delivered')).status, 204);
    assert.equal((await status(phony, stray, 'sent')).status, 204);
    const { body } = await send(phony, to);
    assert.equal(body.data.status, 'queued');
    assert.equal((await status(phony, body.data.messageSid, 'delivered')).status, 204);
    await settled(phony, body.data.messageSid, 'delivered');
  });
});

test('an end that no callback told is asked for', async () => {
  await together({ callbacks: ['none'], undelivered: { '+13035550999': 30005 } }, {}, async (phony) => {
    const good = (await send(phony, someone())).body.data.messageSid;
    const bad = (await send(phony, '+13035550999')).body.data.messageSid;
    assert.equal((await phony.api('GET', `/api/sms/messages/${good}`)).body.data.status, 'queued');
    await settled(phony, good, 'delivered', 60000);
    assert.equal((await settled(phony, bad, 'undelivered', 60000)).errorCode, 30005);
  });
});

test('SMS_ENABLED_NUMBERS says who may send', async () => {
  const second = '+12025550177';
  const carrier = await startCarrier({ default: { script: [] }, numbers: [us, second] });
  const phony = await startPhony({ sims: { carrier }, settings: { SMS_ENABLED_NUMBERS: `${second}, +12025550178` } });
  assert.equal((await send(phony, someone())).body.data.fromNumber, second);
  assert.equal((await send(phony, someone(), 'x', { fromNumber: us })).status, 400);
  assert.equal((await phony.stop()).code, 0);
  assert.equal(await carrier.stop(), 0);
});

test("Twilio's samples: what they say is what is stored", async () => {
  const folder = path.join(root, 'tests/data/webhooks');
  await together({}, { PUBLIC_URL: 'https://phony.example' }, async (phony) => {
    for (const name of ['hook-sms-incoming', 'hook-mms-incoming', 'hook-sms-optout']) {
      const { request } = JSON.parse(fs.readFileSync(path.join(folder, `${name}.json`)));
      const answer = await fetch(`http://127.0.0.1:${phony.port}${new URL(request.url).pathname}`, { method: 'POST', headers: { 'content-type': request.headers['Content-Type'], 'x-twilio-signature': request.headers['X-Twilio-Signature'] }, body: request.body });
      assert.equal(answer.status, 200, name);
      const { body } = await get(phony, request.params.MessageSid);
      assert.equal(body.data.body, request.params.Body);
      assert.equal(body.data.fromNumber, request.params.From);
      assert.equal(body.data.numMedia, Number(request.params.NumMedia));
    }
  });
});
