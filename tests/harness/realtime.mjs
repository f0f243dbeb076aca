// A scripted peer beside the strict simulator: an OpenAI Realtime server that sends what a test says, in any order.
// scripts: {NAME: async (peer) => …}; the word #NAME in the instructions of a session chooses one.
import http from 'node:http';
import { WebSocketServer } from 'ws';

const TONE = (ms) => Buffer.from(Array.from({ length: ms * 8 }, (_, i) => (i % 20 < 10 ? 0x90 : 0x10))).toString('base64');

class Peer {
  received = [];
  #waiting = [];
  #taken = new Set();
  #responses = 0;
  #items = 0;

  constructor(socket) {
    this.socket = socket;
    socket.on('message', (data) => {
      const message = JSON.parse(data);
      if (message.type === 'input_audio_buffer.append') return;
      this.received.push(message);
      this.#waiting = this.#waiting.filter((look) => !look());
    });
  }

  send(message) { if (this.socket.readyState === 1) this.socket.send(JSON.stringify(message)); }
  // The next message that fits and was not waited for yet.
  next(fits, what = String(fits), ms = 20000) {
    return new Promise((done, fail) => {
      const timer = setTimeout(() => fail(new Error(`waited in vain for ${what}`)), ms);
      const look = () => {
        const found = this.received.find((m) => !this.#taken.has(m) && fits(m));
        if (!found) return false;
        clearTimeout(timer);
        this.#taken.add(found);
        done(found);
        return true;
      };
      if (!look()) this.#waiting.push(look);
    });
  }
  create() { return this.next((m) => m.type === 'response.create', 'response.create'); }
  output(call) { return this.next((m) => m.item?.call_id === call, `the output of ${call}`); }
  begin() {
    const id = `resp_${++this.#responses}`;
    this.send({ type: 'response.created', response: { id, status: 'in_progress' } });
    return id;
  }
  end(id, status = 'completed', more = {}) { this.send({ type: 'response.done', response: { id, status, output: [], ...more } }); }
  item(response) {
    const id = `item_${++this.#items}`;
    this.send({ type: 'response.output_item.added', response_id: response, output_index: 0, item: { id, type: 'message', role: 'assistant', status: 'in_progress', content: [] } });
    return id;
  }
  say(text, ms = 300) {
    const response = this.begin(), item = this.item(response);
    this.send({ type: 'response.output_audio.delta', response_id: response, item_id: item, output_index: 0, content_index: 0, delta: TONE(ms) });
    this.send({ type: 'response.output_audio_transcript.done', response_id: response, item_id: item, transcript: text });
    this.end(response);
  }
  calls(response, name, parameters) {
    const id = `call_${++this.#items}`;
    this.send({ type: 'response.function_call_arguments.done', response_id: response, item_id: `f${id}`, output_index: 0, call_id: id, name, arguments: parameters });
    return id;
  }
  // The caller's turn; its text follows with transcribed().
  turn() {
    const id = `item_${++this.#items}`;
    this.send({ type: 'input_audio_buffer.speech_started', audio_start_ms: 0, item_id: id });
    this.send({ type: 'input_audio_buffer.speech_stopped', audio_end_ms: 1, item_id: id });
    this.send({ type: 'input_audio_buffer.committed', item_id: id, previous_item_id: null });
    return id;
  }
  transcribed(id, transcript) { this.send({ type: 'conversation.item.input_audio_transcription.completed', item_id: id, content_index: 0, transcript }); }
}

export async function startRealtime(scripts) {
  const server = http.createServer((request, response) => response.writeHead(404).end());
  const sockets = new WebSocketServer({ server });
  const realtime = { sessions: {}, failures: [], received: [] };
  sockets.on('connection', async (socket) => {
    const peer = new Peer(socket);
    try {
      peer.send({ type: 'session.created', session: { id: 'sess_1', type: 'realtime' } });
      const { session } = await peer.next((m) => m.type === 'session.update', 'session.update');
      const name = /#([a-z-]+)/.exec(session.instructions)[1];
      // Several calls of one script are told apart by a name in parentheses.
      peer.name = /#[a-z-]+ \(([^)]*)\)/.exec(session.instructions)?.[1];
      peer.again = (realtime.sessions[name] ?? []).some((other) => other.name === peer.name);
      (realtime.sessions[name] ??= []).push(peer);
      peer.send({ type: 'session.updated', session });
      await scripts[name](peer);
    } catch (error) {
      realtime.failures.push(error.message);
    }
    realtime.received.push(...peer.received);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return Object.assign(realtime, {
    port: server.address().port,
    stop() {
      for (const socket of sockets.clients) socket.terminate();
      return new Promise((done) => server.close(done));
    },
  });
}
