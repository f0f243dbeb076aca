// A stretch of network between two parts: it delays, stalls, cuts, and chops what passes into the smallest pieces.
import net from 'node:net';

export class Proxy {
  connections = new Set();
  stalledUntil = 0;
  delayMs = 0;
  chop = false;
  swallow = null; // what matches this, of what is sent to the target, never arrives
  swallowed = 0;
  lose = null; // what matches this arrives, and its answer is lost with the connection; once
  forget = false; // the cursor that the next getMore of MongoDB's protocol names is one that the server does not know; once

  constructor(target) { this.target = target; }

  listen() {
    this.server = net.createServer({ allowHalfOpen: true }, (near) => this.#connect(near));
    return new Promise((done) => this.server.listen(0, '127.0.0.1', () => { this.port = this.server.address().port; done(this); }));
  }

  #connect(near) {
    const far = net.connect({ port: this.target, host: '127.0.0.1', allowHalfOpen: true });
    const connection = { near, far };
    const end = () => { near.destroy(); far.destroy(); };
    this.connections.add(connection);
    let answerIsLost = false;
    this.#pump(near, far, (bytes) => {
      const text = bytes.toString('latin1'), more = text.indexOf('getMore\0');
      if (this.forget && more >= 0) { bytes[more + 'getMore\0'.length] ^= 1; this.forget = false; }
      if (this.lose?.test(text)) [answerIsLost, this.lose] = [true, null];
      return this.swallow?.test(text) && ++this.swallowed > 0;
    });
    this.#pump(far, near, () => {
      if (answerIsLost) end();
      return answerIsLost;
    });
    for (const socket of [near, far]) socket.setNoDelay(true).on('error', end).on('close', () => this.connections.delete(connection));
  }

  // In order, whatever the delays are; the end, too.
  #pump(from, to, lost = () => false) {
    let last = Promise.resolve();
    const later = (what) => { last = last.then(async () => {
      const wait = Math.max(this.stalledUntil - Date.now(), this.delayMs);
      if (wait > 0) await new Promise((done) => setTimeout(done, wait));
      if (!to.destroyed) what();
    }); };
    from.on('data', (bytes) => lost(bytes) || later(() => {
      if (!this.chop) to.write(bytes);
      else for (let at = 0; at < bytes.length;) { const n = 1 + Math.floor(Math.random() * 40); to.write(bytes.subarray(at, at + n)); at += n; }
    }));
    from.on('end', () => later(() => to.end()));
  }

  stall(ms) { this.stalledUntil = Date.now() + ms; }
  // A reset, as of a line that breaks; of all connections, or of those that `which` accepts.
  cut(which = () => true) {
    let count = 0;
    for (const c of this.connections) if (which(c)) { c.near.resetAndDestroy(); c.far.resetAndDestroy(); count++; }
    return count;
  }
  close() {
    this.cut();
    return new Promise((done) => this.server.close(done));
  }
}
