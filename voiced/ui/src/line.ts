// This page as the phone of one call: it speaks Twilio's Media Streams to the call's process
// (www.twilio.com/docs/voice/media-streams/websocket-messages), with the microphone and the loudspeaker.
import { useSyncExternalStore } from 'react';
import { post } from './api.ts';
import worklet from './line.worklet.js?url';

export interface LineState { callSid: string; connected: boolean; muted: boolean; since: number; levels: [number, number] }
interface Begun { callSid: string; streamPath: string }

const RATE = 8000, COME_BACK_MS = 300, COME_BACKS = 10;
let state: LineState | null = null;
let close: (() => void) | null = null;
let send: ((event: string, data?: object) => void) | null = null;
let mute: ((muted: boolean) => void) | null = null;
const watchers = new Set<() => void>();

function become(next: LineState | null) {
  state = next;
  for (const watcher of watchers) watcher();
}
const change = (part: Partial<LineState>) => { if (state) become({ ...state, ...part }); };
export const useLine = () => useSyncExternalStore((changed) => { watchers.add(changed); return () => watchers.delete(changed); }, () => state);

const base64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes));
const bytesOf = (text: string) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const hex = (count: number) => Array.from(crypto.getRandomValues(new Uint8Array(count)), (b) => b.toString(16).padStart(2, '0')).join('');

// Without a loudspeaker some browsers never start the sound, and never say so.
const SOUND_STARTS_MS = 5000;
const started = (context: AudioContext) => Promise.race([
  context.resume(),
  new Promise<never>((_, fail) => { setTimeout(() => fail(new Error('no loudspeaker answers')), SOUND_STARTS_MS); }),
]);

async function openAudio() {
  if (!navigator.mediaDevices) throw new Error('A browser gives its microphone to pages from https or from this machine (127.0.0.1) only.');
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } }).catch((e: Error) => {
    throw new Error(`The microphone cannot be used (${e.message}). Allow it in the browser’s settings of this page, and look whether one is connected.`);
  });
  const context = new AudioContext({ latencyHint: 'interactive' });
  const stop = () => { for (const track of microphone.getTracks()) track.stop(); void context.close(); };
  try {
    await context.audioWorklet.addModule(worklet);
    const node = new AudioWorkletNode(context, 'line', { numberOfInputs: 1, numberOfOutputs: 1, outputChannelCount: [1], channelCount: 1, channelCountMode: 'explicit' });
    context.createMediaStreamSource(microphone).connect(node).connect(context.destination);
    await started(context);
    return { node, stop };
  } catch (e) {
    stop();
    throw new Error(`This browser cannot be a telephone: ${(e as Error).message}. It needs a loudspeaker, and AudioWorklet, which Chromium, Firefox and Safari have.`);
  }
}

// Rings nobody: the agent is called with this page as the other end. Resolves with its callSid when the line is being opened.
export async function call(fields: Record<string, unknown>): Promise<string> {
  if (state) throw new Error('This page is on the phone already. Hang up first.');
  const { node, stop } = await openAudio();
  const { callSid, streamPath } = await post<Begun>('/api/calls/browser', fields).catch((e: Error) => { stop(); throw e; });
  let socket: WebSocket, streamSid = '', attempt = 0, tries = 0, sequence = 0, chunk = 0;
  become({ callSid, connected: false, muted: false, since: Date.now(), levels: [0, 0] });

  const tell = (message: object) => { if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message)); };
  send = (event, data) => tell({ event, sequenceNumber: String(++sequence), streamSid, ...data });
  mute = (muted) => { node.port.postMessage({ muted }); change({ muted }); };

  const over = () => {
    close = send = mute = null;
    stop();
    become(null);
  };
  close = () => {
    send?.('stop', { stop: { accountSid: '', callSid } });
    over();
    socket.onclose = socket.onmessage = null;
    socket.close(1000);
  };

  node.port.onmessage = ({ data }: MessageEvent<{ frame?: Uint8Array; mark?: string; levels?: [number, number] }>) => {
    if (data.frame && state?.connected) send?.('media', { media: { track: 'inbound', chunk: String(++chunk), timestamp: String(chunk * 20), payload: base64(data.frame) } });
    else if (data.mark !== undefined) send?.('mark', { mark: { name: data.mark } });
    else if (data.levels) change({ levels: data.levels });
  };

  const open = () => {
    let begun = false;
    streamSid = `MZ${hex(16)}`;
    sequence = chunk = 0;
    socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}${streamPath}${attempt ? `?again=${attempt}` : ''}`);
    socket.onopen = () => {
      begun = true;
      tell({ event: 'connected', protocol: 'Call', version: '1.0.0' });
      send?.('start', { start: { streamSid, accountSid: '', callSid, tracks: ['inbound'], customParameters: {}, mediaFormat: { encoding: 'audio/x-mulaw', sampleRate: RATE, channels: 1 } } });
      change({ connected: true });
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(String(data)) as { event: string; media?: { payload: string }; mark?: { name: string } };
      tries = 0;
      if (message.event === 'media' && message.media) node.port.postMessage({ audio: bytesOf(message.media.payload) });
      else if (message.event === 'mark' && message.mark) node.port.postMessage({ mark: message.mark.name });
      else if (message.event === 'clear') node.port.postMessage({ clear: true });
    };
    // 1000: the call is over. Else its process or the connection broke, and the call goes on with the next.
    socket.onclose = ({ code }) => {
      change({ connected: false });
      node.port.postMessage({ clear: true });
      if (code === 1000 || ++tries > COME_BACKS) { over(); return; }
      if (begun) attempt++;
      setTimeout(() => { if (close) open(); }, COME_BACK_MS);
    };
  };
  open();
  return callSid;
}

export const hangUp = () => close?.();
export const press = (digit: string) => send?.('dtmf', { dtmf: { track: 'inbound_track', digit } });
export const setMuted = (muted: boolean) => mute?.(muted);
