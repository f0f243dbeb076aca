// What phony is compared with: the same bridge as one plain Node.js process, with
// the `ws` package. The same audio work: mu-law passed through, or converted to
// and from 16 kHz PCM by G.711 tables and a 63-tap half-band filter.
import http from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';

const { PORT, PUBLIC_URL, TWILIO_API_URL, TWILIO_ACCOUNT_SID: sid, TWILIO_AUTH_TOKEN: token, TWILIO_NUMBER: from, ELEVENLABS_WEBSOCKET_URL, ELEVENLABS_AGENT_ID } = process.env;

const linear = new Int16Array(256);
for (let i = 0; i < 256; i++) {
  const c = ~i & 0xff;
  const magnitude = ((((c & 15) << 3) + 132) << ((c >> 4) & 7)) - 132;
  linear[i] = c & 0x80 ? -magnitude : magnitude;
}
const code = new Uint8Array(65536);
for (let s = -32768; s < 32768; s++) {
  const magnitude = Math.min(Math.abs(s), 32635) + 132;
  const segment = 24 - Math.clz32(magnitude | 0xff);
  code[s & 0xffff] = ~((s < 0 ? 0x80 : 0) | (segment << 4) | ((magnitude >> (segment + 3)) & 15)) & 0xff;
}
const taps = Float64Array.from({ length: 63 }, (_, i) => {
  const x = i - 31;
  const sinc = x === 0 ? 0.5 : Math.sin(Math.PI * x / 2) / (Math.PI * x);
  return sinc * (0.42 + 0.5 * Math.cos(Math.PI * x / 31.5) + 0.08 * Math.cos(2 * Math.PI * x / 31.5));
});

class Up { // 8 to 16 kHz
  history = new Float64Array(32);
  run(mulaw) {
    const x = new Float64Array(32 + mulaw.length);
    x.set(this.history);
    for (let i = 0; i < mulaw.length; i++) x[32 + i] = linear[mulaw[i]];
    const out = Buffer.alloc(mulaw.length * 4);
    for (let i = 0; i < mulaw.length; i++)
      for (let phase = 0; phase < 2; phase++) {
        let sum = 0;
        for (let k = phase, j = 32 + i; k < 63; k += 2, j--) sum += taps[k] * x[j];
        out.writeInt16LE(Math.max(-32768, Math.min(32767, Math.round(2 * sum))), (2 * i + phase) * 2);
      }
    this.history = x.slice(mulaw.length);
    return out;
  }
}
class Down { // 16 to 8 kHz
  history = new Float64Array(62);
  run(pcm) {
    const count = pcm.length >> 1;
    const x = new Float64Array(62 + count);
    x.set(this.history);
    for (let i = 0; i < count; i++) x[62 + i] = pcm.readInt16LE(2 * i);
    const out = Buffer.alloc(count >> 1);
    for (let i = 0; i < out.length; i++) {
      let sum = 0;
      for (let k = 0, j = 62 + 2 * i; k < 63; k++, j--) sum += taps[k] * x[j];
      out[i] = code[Math.round(sum) & 0xffff];
    }
    this.history = x.slice(count);
    return out;
  }
}

const server = http.createServer(async (request, response) => {
  let body = '';
  for await (const part of request) body += part;
  if (request.url === '/api/calls') {
    const { toNumber } = JSON.parse(body);
    const answer = await fetch(`${TWILIO_API_URL}/2010-04-01/Accounts/${sid}/Calls.json`, {
      method: 'POST', headers: { authorization: `Basic ${Buffer.from(`${sid}:${token}`).toString('base64')}` },
      body: new URLSearchParams({ To: toNumber, From: from, Url: `${PUBLIC_URL}/call/outgoing` }),
    });
    response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify({ callSid: (await answer.json()).sid }));
  } else {
    response.writeHead(200, { 'content-type': 'text/xml' })
      .end(`<Response><Connect><Stream url="${PUBLIC_URL.replace('http', 'ws')}/call/connection-outgoing/secret"></Stream></Connect><Hangup/></Response>`);
  }
});
new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (twilio) => {
  const agent = new WebSocket(`${ELEVENLABS_WEBSOCKET_URL}?agent_id=${ELEVENLABS_AGENT_ID}`, { perMessageDeflate: false });
  let streamSid;
  let early = [];
  let up = null;
  let down = null;
  const toAgent = (payload) => agent.send(JSON.stringify({ user_audio_chunk: up ? up.run(Buffer.from(payload, 'base64')).toString('base64') : payload }));
  twilio.on('message', (text) => {
    const message = JSON.parse(text);
    if (message.event === 'start') streamSid = message.start.streamSid;
    else if (message.event === 'media') early ? early.push(message.media.payload) : toAgent(message.media.payload);
  });
  twilio.on('close', () => agent.close());
  agent.on('open', () => agent.send(JSON.stringify({ type: 'conversation_initiation_client_data', conversation_config_override: { agent: { prompt: { prompt: 'x' } } } })));
  agent.on('message', (text) => {
    const message = JSON.parse(text);
    if (message.type === 'conversation_initiation_metadata') {
      const formats = message.conversation_initiation_metadata_event;
      if (formats.user_input_audio_format === 'pcm_16000') up = new Up();
      if (formats.agent_output_audio_format === 'pcm_16000') down = new Down();
      const waiting = early;
      early = null;
      waiting.forEach(toAgent);
    } else if (message.type === 'audio') {
      const { audio_base_64: audio } = message.audio_event;
      twilio.send(JSON.stringify({ event: 'media', streamSid, media: { payload: down ? down.run(Buffer.from(audio, 'base64')).toString('base64') : audio } }));
    } else if (message.type === 'ping') {
      agent.send(JSON.stringify({ type: 'pong', event_id: message.ping_event.event_id }));
    }
  });
  agent.on('close', () => twilio.close());
});
server.listen(Number(PORT), '127.0.0.1', () => console.error('bridge is ready'));
