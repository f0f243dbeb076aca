// The phone's audio: what the microphone hears goes out as frames of 20 ms of mu-law (ITU-T G.711), what comes in is played
// in its order, and a mark is told of when everything before it was heard. Runs at 8000 Hz.
const FRAME = 160, LEVEL_EVERY = 800;

const decoded = Float32Array.from({ length: 256 }, (_, code) => {
  const u = ~code & 0xff, magnitude = ((((u & 0x0f) << 3) + 0x84) << ((u >> 4) & 7)) - 0x84;
  return (u & 0x80 ? -magnitude : magnitude) / 32768;
});

function encode(sample) {
  const linear = Math.max(-1, Math.min(1, sample)) * 32768, magnitude = Math.min(32635, Math.abs(Math.trunc(linear))) + 0x84;
  const exponent = 24 - Math.clz32(magnitude);
  return ~((linear < 0 ? 0x80 : 0) | (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0f)) & 0xff;
}

class Line extends AudioWorkletProcessor {
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

  play(out) {
    for (let i = 0; i < out.length; ) {
      const next = this.waiting[0];
      if (!next) return;
      if (next.mark !== undefined || next.at === next.audio.length) {
        this.waiting.shift();
        if (next.mark !== undefined) this.port.postMessage({ mark: next.mark });
        continue;
      }
      const sample = decoded[next.audio[next.at++]];
      this.peaks[1] = Math.max(this.peaks[1], Math.abs(sample));
      out[i++] = sample;
    }
  }

  hear(samples, count) {
    for (let i = 0; i < count; i++) {
      const sample = this.muted || !samples ? 0 : samples[i];
      this.peaks[0] = Math.max(this.peaks[0], Math.abs(sample));
      this.frame[this.filled++] = encode(sample);
      if (this.filled < FRAME) continue;
      this.port.postMessage({ frame: this.frame.slice() });
      this.filled = 0;
    }
  }

  process([input], [output]) {
    this.play(output[0]);
    this.hear(input[0], output[0].length);
    if ((this.counted += output[0].length) >= LEVEL_EVERY) {
      this.port.postMessage({ levels: this.peaks });
      this.peaks = [0, 0];
      this.counted = 0;
    }
    return true;
  }
}

registerProcessor('line', Line);
