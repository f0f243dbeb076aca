// OpenAI Realtime when its events are missing, late or out of order, in whole calls.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openBrowser, signIn } from '../harness/browser.mjs';
import { listen } from '../harness/events.mjs';
import { noProcesses, startCarrier, startPhony, until } from '../harness/phony.mjs';
import { startRealtime } from '../harness/realtime.mjs';

const LATE_MS = 4000; // more than the others wait for a text
const later = (ms) => new Promise((done) => setTimeout(done, ms));

// True: it goes on, and ends at once.
async function goesOn(peer) {
  await peer.create();
  if (!peer.again) return false;
  const response = peer.begin();
  peer.calls(response, 'end_call', '{}');
  peer.end(response);
  return true;
}

const scripts = {
  // An answer that is cancelled before its first word, one in writing, a text that comes when the answer is over.
  async missing(peer) {
    await peer.create();
    peer.say('Good evening, this is Anna.', 100);
    await later(1000); // it is heard to its end
    const first = peer.turn();
    const cut = peer.begin();
    peer.item(cut);
    peer.end(cut, 'cancelled', { status_details: { type: 'cancelled', reason: 'turn_detected' } });
    const second = peer.turn();
    const written = peer.begin(), item = peer.item(written);
    peer.send({ type: 'response.output_text.done', response_id: written, item_id: item, text: 'Certainly.' });
    peer.end(written);
    peer.transcribed(second, 'A table, please.');
    await later(LATE_MS);
    peer.transcribed(first, 'Hello?');
    // The last answer waits for the text of a turn that never gets one.
    peer.turn();
    peer.say('It is at seven.');
    peer.send({ type: 'response.created', response: { id: 'resp_last' } });
    peer.last = true;
  },
  // Two functions at once, one of them slow: the agent speaks on when both have their output.
  async parallel(peer) {
    await peer.create();
    const response = peer.begin();
    const slow = peer.calls(response, 'send_dtmf', '{"digits":"12345"}'), quick = peer.calls(response, 'add_note', '{"note":"n"}');
    peer.end(response);
    await peer.create();
    peer.order = peer.received.filter((m) => m.item?.call_id || m.type === 'response.create').map((m) => ({ [slow]: 'slow', [quick]: 'quick' })[m.item?.call_id] ?? 'create');
    const last = peer.begin();
    peer.calls(last, 'end_call', '');
    peer.end(last);
  },
  // The caller speaks over an answer while another waits behind it; then the line to the agent breaks.
  async unheard(peer) {
    peer.history = () => peer.received.filter((m) => m.item?.type === 'message').map((m) => m.item.content[0].text);
    if (await goesOn(peer)) return;
    peer.say('Good evening, this is Anna from the office.', 3000);
    peer.say('Which day suits you best?', 2000);
    await later(1000);
    const id = peer.turn();
    for (const _ of [1, 2]) await peer.next((m) => m.type === 'conversation.item.truncate', 'a cut');
    peer.transcribed(id, 'Wait.');
    await until(() => peer.seen, 'the turn to be seen');
    peer.socket.terminate();
  },
  // Silence that is written down as something.
  async quiet(peer) {
    await peer.create();
    peer.say('Good evening, this is Anna.', 100);
    for (const text of ['...', ' \u2026', '?', 'Yes.']) peer.transcribed(peer.turn(), text);
    peer.say('A table for two?', 100);
  },
  // The text of what the caller said comes when the call is over, or the agent has ended it.
  async written(peer) {
    if (await goesOn(peer)) return;
    const id = peer.turn();
    peer.turned = true;
    await until(() => peer.over, 'the end');
    await later(700);
    peer.transcribed(id, 'Number seven.');
  },
  async ends(peer) {
    await goesOn(peer);
    const id = peer.turn(), response = peer.begin();
    const call = peer.calls(response, 'end_call', '{}');
    peer.end(response);
    await peer.output(call);
    await until(() => peer.socket.readyState !== 1 || peer.over, 'the stream to end');
    await later(700);
    peer.transcribed(id, 'Number seven.');
  },
  // The call ends in the middle of a word: the server has not heard the end of it.
  async word(peer) {
    await goesOn(peer);
    peer.send({ type: 'input_audio_buffer.speech_started', audio_start_ms: 0, item_id: 'item_word' });
    peer.turned = true;
    await peer.next((m) => m.type === 'input_audio_buffer.commit', 'the commit');
    peer.send({ type: 'input_audio_buffer.committed', item_id: 'item_word', previous_item_id: null });
    await later(300);
    peer.transcribed('item_word', 'Number sev');
  },
  // Each request for a response is refused once, in another way.
  async refused(peer) {
    for (const error of [{ code: null, message: 'Conversation already has an active response' }, { code: 'server_error', message: 'The server had an error' }]) {
      const { event_id } = await peer.create();
      peer.send({ type: 'error', error: { type: 'invalid_request_error', event_id: error.code ? event_id : null, ...error } });
      peer.end('resp_other');
    }
    await peer.create();
    const response = peer.begin();
    peer.calls(response, 'end_call', '{}');
    peer.end(response);
  },
};

let realtime, carrier, phony, base;
before(async () => {
  realtime = await startRealtime(scripts);
  carrier = await startCarrier({ default: { script: [] } });
  phony = await startPhony({ sims: { carrier, agent: { port: realtime.port } }, settings: { VOICE_PROVIDER: 'openai', SILENCE_SECONDS: '0' } });
  base = `http://127.0.0.1:${phony.port}`;
});
after(async () => {
  assert.equal((await phony.stop()).code, 0);
  await realtime.stop();
  assert.equal(await carrier.stop(), 0);
  assert.deepEqual(realtime.failures, []);
  await noProcesses();
});

let numbers = 300;
async function place(name, more = '') {
  const { status, body } = await phony.call(`+1202555${String(++numbers).padStart(4, '0')}`, { callInstructions: `Say hello. #${name} (${more})` });
  assert.equal(status, 201, JSON.stringify(body));
  return body.callSid;
}
const peerOf = (name) => realtime.sessions[name]?.[0];

describe('calls', { concurrency: true }, () => {
  test('no turn is lost, and all are in their order', async () => {
    const { browser, page } = await openBrowser({ base });
    const stream = await listen(phony);
    await signIn(page, base, phony.token);
    const sid = await place('missing');
    // What the page shows, each time that it changes.
    await page.addInitScript(() => {
      globalThis.shown = [];
      new MutationObserver(() => globalThis.shown.push([...document.querySelectorAll('.turns p')].map((p) => p.textContent))).observe(document, { childList: true, subtree: true, characterData: true });
    });
    await page.goto(`${base}/?live#/calls/${sid}`);
    await until(() => peerOf('missing')?.last, 'the last answer');
    await until(async () => (await phony.api('GET', `/api/calls/${sid}`)).body.conversationHistory.length >= 4, 'the turns before');
    await page.locator('.turns').getByText('Hello?').waitFor();
    await phony.api('POST', `/api/calls/${sid}/hangup`);
    const { conversationHistory } = await phony.over(sid);
    assert.deepEqual(conversationHistory.map((turn) => `${turn.role}: ${turn.content}`), ['assistant: Good evening, this is Anna.', 'user: Hello?', 'user: A table, please.', 'assistant: Certainly.', 'assistant: It is at seven.']);
    const times = conversationHistory.map((turn) => turn.timestamp);
    assert.ok(times[1] <= times[2], times.join());
    // Live, the late turn is told with its place, and the page never shows it anywhere else.
    const told = stream.events.map((e) => e.data).filter((d) => d.kind === 'turn' && d.callSid === sid);
    assert.deepEqual(told.map((d) => d.timestamp).toSorted(), times);
    const late = told.find((d) => d.content === 'Hello?'), next = told.find((d) => d.content === 'A table, please.');
    assert.deepEqual([late.before, late.attempt], [next.turn, next.attempt]);
    const shown = await page.evaluate(() => globalThis.shown);
    assert.deepEqual(shown.filter((turns) => turns.indexOf('Hello?') > turns.indexOf('A table, please.') || new Set(turns).size < turns.length), []);
    stream.close();
    await browser.close();
  });

  test('an answer of which nothing was heard is no turn', async () => {
    const sid = await place('unheard');
    const waited = async (after) => (await phony.api('GET', `/api/calls/${sid}/wait?after=${after}&timeoutSeconds=20`)).body.data;
    const known = [];
    let after = 0;
    const wait = async () => {
      const { newTurns, after: next } = await waited(after);
      assert.ok(newTurns.every((turn) => turn.content !== ''), JSON.stringify(newTurns));
      known.push(...newTurns);
      after = next;
    };
    while (!known.some((turn) => turn.content === 'Wait.')) await wait();
    peerOf('unheard').seen = true;
    const call = await phony.over(sid);
    assert.equal(call.endReason, 'the agent ended the call', call.errorMessage);
    const [first, second, ...rest] = call.conversationHistory;
    assert.ok(first.truncated && first.content.startsWith('Good') && first.content.length < 40, first.content);
    assert.deepEqual([second.content, ...rest], ['Wait.']);
    const told = realtime.sessions.unheard[1].history();
    assert.deepEqual(told.filter((text) => !text || /Which/.test(text)), []);
    assert.ok(told.includes('Wait.'), JSON.stringify(told));
  });

  test('a turn without a word is none', async () => {
    const sid = await place('quiet');
    const said = async () => (await phony.api('GET', `/api/calls/${sid}`)).body.conversationHistory.map((turn) => `${turn.role}: ${turn.content}`);
    await until(async () => (await said()).includes('assistant: A table for two?'), 'the last words');
    assert.deepEqual((await said()).filter((turn) => turn.startsWith('user')), ['user: Yes.']);
    await phony.api('POST', `/api/calls/${sid}/hangup`);
    await phony.over(sid);
  });

  const said = async (sid) => (await phony.api('GET', `/api/calls/${sid}`)).body.conversationHistory.map((turn) => turn.content);
  const ends = {
    'the person hangs up': ['written', (sid) => carrier.command({ hangup: sid })],
    'a hang-up is asked for': ['written', (sid) => phony.api('POST', `/api/calls/${sid}/hangup`)],
    'the line breaks': ['written', (sid) => carrier.command({ cut: sid })],
    'the agent ends the call': ['ends', () => {}],
    'the person hangs up in the middle of a word': ['word', (sid) => carrier.command({ hangup: sid }), 'Number sev'],
  };
  for (const [name, [script, end, words = 'Number seven.']] of Object.entries(ends))
    test(`the caller's last words are written down: ${name}`, async () => {
      const sid = await place(script, name);
      const peer = () => realtime.sessions[script]?.find((p) => p.name === name);
      if (script !== 'ends') {
        await until(() => peer()?.turned, 'the words');
        await end(sid);
        await carrier.events.wait((e) => e.event === 'stream-closed' && e.callSid === sid, 'the stream to close');
        peer().over = true;
      } else {
        await carrier.events.wait((e) => e.event === 'stream-closed' && e.callSid === sid, 'the stream to close');
        await until(() => peer(), 'the agent');
        peer().over = true;
      }
      await phony.over(sid);
      await until(async () => (await said(sid)).includes(words), 'the last words');
      assert.deepEqual(await said(sid), [words]);
    });

  test('functions called at once', async () => {
    const sid = await place('parallel');
    const call = await phony.over(sid);
    assert.equal(call.endReason, 'the agent ended the call');
    assert.deepEqual(peerOf('parallel').order.toSorted().slice(-2), ['quick', 'slow']);
    assert.deepEqual(peerOf('parallel').order.at(-1), 'create');
  });

  test('a response that is refused is asked for again', async () => {
    const sid = await place('refused');
    assert.equal((await phony.over(sid)).endReason, 'the agent ended the call');
  });
});
