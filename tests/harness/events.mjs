// A listener to GET /api/events: the events as they come; ended tells when the server has closed the stream.
import assert from 'node:assert/strict';
import { until } from './phony.mjs';

export async function listen(phony, lastEventId, headers = {}) {
  const controller = new AbortController(), events = [];
  const answer = await fetch(`http://127.0.0.1:${phony.port}/api/events`, { signal: controller.signal,
    headers: { authorization: `Bearer ${phony.token}`, ...(lastEventId && { 'last-event-id': lastEventId }), ...headers } });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'text/event-stream');
  const stream = { events, close: () => controller.abort(), ended: false, find: (fits) => events.find((e) => fits(e.data, e)) };
  (async () => {
    let text = '';
    try {
      for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
        text += part;
        for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
          const fields = Object.fromEntries(text.slice(0, end).split('\n').filter((l) => !l.startsWith(':')).map((l) => [l.slice(0, l.indexOf(':')), l.slice(l.indexOf(':') + 2)]));
          if (fields.data) events.push({ id: fields.id, name: fields.event, data: JSON.parse(fields.data) });
        }
      }
    } catch { /* closed by us */ }
    stream.ended = true;
  })();
  await until(() => events.length, 'the first event');
  return stream;
}
