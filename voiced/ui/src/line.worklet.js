// The phone's audio: what the microphone hears goes out as frames of 20 ms of mu-law (ITU-T G.711), what comes in is played
// in its order, and a mark is told of when everything before it was heard. A browser's audio has the rate of its devices.
const RATE = 8000, FRAME = 160;

const decoded = Float32Array.from({ length: 256 }, (_, code) => {
  const u = ~code & 0xff, magnitude = ((((u & 0x0f) << 3) + 0x84) << ((u >> 4) & 7)) - 0x84;
  return (u & 0x80 ? -magnitude : magnitude) / 32768;
});

function encode(sample) {
  const linear = Math.max(-1, Math.min(1, sample)) * 32768, magnitude = Math.min(32635, Math.abs(Math.trunc(linear))) + 0x84;
  const exponent = 24 - Math.clz32(magnitude);
  return ~((linear < 0 ? 0x80 : 0) | (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0f)) & 0xff;
}

// From one rate to another by a windowed sinc (J. O. Smith, Digital Audio Resampling), cut off below half the lower of both.
const ZEROS = 16, PHASES = 512;
const sinc = Float32Array.from({ length: ZEROS * PHASES + 1 }, (_, i) => {
  const x = Math.PI * i / PHASES, w = Math.PI * i / (ZEROS * PHASES);
  return (i ? Math.sin(x) / x : 1) * (0.42 + 0.5 * Math.cos(w) + 0.08 * Math.cos(2 * w));
});

class Resampler {
  constructor(from, to) {
    this.step = from / to;
    this.cut = Math.min(1, to / from) * 0.93;
    this.half = Math.ceil(ZEROS / this.cut);
    this.past = new Float32Array(2 * this.half); // a ring
    this.at = 0;
    this.next = 1; // samples to come before the next one to give
  }

  put(sample) {
    this.past[this.at] = sample;
    this.at = (this.at + 1) % this.past.length;
    this.next--;
  }

  get ready() { return this.next <= 0; }

  give() {
    const { past, at, half, cut, next } = this, length = past.length;
    let sum = 0;
    for (let i = 0; i < length; i++) {
      const distance = Math.abs(length - 1 - i - half + next) * cut;
      if (distance < ZEROS) sum += past[(at + i) % length] * sinc[Math.round(distance * PHASES)];
    }
    this.next += this.step;
    return sum * cut;
  }
}

class Line extends AudioWorkletProcessor {
  toCall = new Resampler(sampleRate, RATE);
  fromCall = new Resampler(RATE, sampleRate);
  frame = new Uint8Array(FRAME);
  filled = 0;
  waiting = []; // {audio, at} or {mark}
  muted = false;
  peaks = [0, 0];
  counted = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      if (data.audio) this.waiting.push({ audio: data.audio, at: 0 });
      else if (data.mark !== undefined) this.waiting.push(data);
      else if (data.clear) this.clear();
      else if (data.muted !== undefined) this.muted = data.muted;
    };
  }

  // Nothing of what waits is heard; its marks come back, as Twilio's do.
  clear() {
    for (const { mark } of this.waiting.splice(0)) if (mark !== undefined) this.port.postMessage({ mark });
  }

  // The next sample that came in; silence where there is none.
  read() {
    for (let next; (next = this.waiting[0]); this.waiting.shift()) {
      if (next.mark !== undefined) this.port.postMessage({ mark: next.mark });
      else if (next.at < next.audio.length) return decoded[next.audio[next.at++]];
    }
    return 0;
  }

  play(out) {
    for (let i = 0; i < out.length; i++) {
      while (!this.fromCall.ready) this.fromCall.put(this.read());
      out[i] = this.fromCall.give();
      this.peaks[1] = Math.max(this.peaks[1], Math.abs(out[i]));
    }
  }

  hear(samples, count) {
    for (let i = 0; i < count; i++) {
      this.toCall.put(this.muted || !samples ? 0 : samples[i]);
      while (this.toCall.ready) this.send(this.toCall.give());
    }
  }

  send(sample) {
    this.peaks[0] = Math.max(this.peaks[0], Math.abs(sample));
    this.frame[this.filled++] = encode(sample);
    if (this.filled < FRAME) return;
    this.port.postMessage({ frame: this.frame.slice() });
    this.filled = 0;
  }

  process([input], [output]) {
    this.play(output[0]);
    this.hear(input[0], output[0].length);
    if ((this.counted += output[0].length) >= sampleRate / 10) {
      this.port.postMessage({ levels: this.peaks });
      this.peaks = [0, 0];
      this.counted = 0;
    }
    return true;
  }
}

registerProcessor('line', Line);
