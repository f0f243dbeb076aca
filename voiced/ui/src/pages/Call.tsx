import { useEffect, useRef, useState } from 'react';
import { type Call, type CallEvent, get, post } from '../api.ts';
import { useData, useFollow, useLive } from '../live.ts';
import { Act, Empty, ErrorNote, Form, Loading, Page, Status, Text, clock, other, span, time } from '../parts.tsx';

// How long the agent took to answer, turn by turn.
function Timings({ events }: { events: CallEvent[] }) {
  const times = events.filter((e) => e.type === 'response').map((e) => Number(e.data.ms));
  if (times.length === 0) return null;
  const most = Math.max(1000, ...times), width = 12;
  return <section aria-labelledby="timings"><h2 id="timings">Response times</h2>
    <svg className="chart" role="img" aria-label={`Response times in milliseconds: ${times.join(', ')}`} viewBox={`0 0 ${Math.max(times.length * width, 60)} 60`} preserveAspectRatio="xMinYMax meet">
      {times.map((ms, i) => <rect key={i} x={i * width} y={58 - (ms / most) * 56} width={width - 3} height={(ms / most) * 56 + 1}><title>{ms} ms</title></rect>)}
    </svg>
    <p>{times.length} responses, {Math.round(times.reduce((a, b) => a + b, 0) / times.length)} ms on average, {Math.max(...times)} ms at most</p>
  </section>;
}

// The caller above, the agent below; a click goes there.
function Recording({ callSid }: { callSid: string }) {
  const audio = useRef<HTMLAudioElement>(null);
  const [state, setState] = useState<'no' | 'loading' | 'there' | string>('no');
  const [url, setUrl] = useState('');
  const samples = useRef(new Int16Array());
  useEffect(() => () => URL.revokeObjectURL(url), [url]);
  async function load() {
    setState('loading');
    const answer = await fetch(`/api/calls/${callSid}/recording`);
    if (!answer.ok) { setState(((await answer.json().catch(() => ({}))) as { message?: string }).message ?? 'There is no recording.'); return; }
    const bytes = await answer.arrayBuffer();
    setUrl(URL.createObjectURL(new Blob([bytes], { type: 'audio/wav' })));
    samples.current = new Int16Array(bytes.slice(44, bytes.byteLength - (bytes.byteLength - 44) % 4));
    setState('there');
  }
  // Drawn when the canvas is there, and again whenever its size changes.
  function watch(c: HTMLCanvasElement | null) {
    if (!c) return;
    const observer = new ResizeObserver(() => draw(c, samples.current));
    observer.observe(c);
    return () => observer.disconnect();
  }
  function draw(c: HTMLCanvasElement, samples: Int16Array) {
    const g = c.getContext('2d');
    if (!g) return;
    c.width = c.clientWidth * devicePixelRatio;
    c.height = c.clientHeight * devicePixelRatio;
    const half = c.height / 2, frames = samples.length / 2;
    g.fillStyle = getComputedStyle(c).color;
    for (let x = 0; x < c.width; x++) for (const channel of [0, 1]) {
      let peak = 0;
      for (let i = Math.floor((x * frames) / c.width); i < ((x + 1) * frames) / c.width; i += 4) peak = Math.max(peak, Math.abs(samples[2 * i + channel] ?? 0));
      const height = Math.max(1, (peak / 32768) * half * 0.95);
      g.fillRect(x, channel ? half + (half - height) / 2 : (half - height) / 2, 1, height);
    }
  }
  return <section aria-labelledby="recording"><h2 id="recording">Recording</h2>
    {state === 'no' && <button type="button" onClick={load}>Load the recording</button>}
    {state === 'loading' && <Loading />}
    {state === 'there' ? <><canvas ref={watch} className="wave" aria-hidden="true" onClick={(e) => { const a = audio.current; if (a) a.currentTime = (e.nativeEvent.offsetX / e.currentTarget.clientWidth) * a.duration; }} />
      <audio ref={audio} controls src={url} /></> : !['no', 'loading'].includes(state) && <Empty>{state}</Empty>}
  </section>;
}

interface Level { caller: number; agent: number; callerSpeaks: boolean; agentSpeaks: boolean }

// Who speaks just now, and how loud: asked for five times a second while somebody looks.
function Levels({ callSid, onHold }: { callSid: string; onHold?: boolean }) {
  const [level, setLevel] = useState<Level | null>(null);
  useEffect(() => {
    let asking = false;
    const timer = setInterval(() => {
      if (asking || document.hidden) return;
      asking = true;
      get<Level>(`/api/calls/${callSid}/levels`).then(setLevel, () => setLevel(null)).finally(() => { asking = false; });
    }, 200);
    return () => clearInterval(timer);
  }, [callSid]);
  const who = onHold ? 'On hold: the person hears music' : !level ? 'Nobody is on the line' : level.callerSpeaks && level.agentSpeaks ? 'Both are speaking' : level.callerSpeaks ? 'The person is speaking' : level.agentSpeaks ? 'The agent is speaking' : 'Nobody is speaking';
  return <p className="levels speaking"><label>Person <meter max={1} value={level?.caller ?? 0} /></label><label>Agent <meter max={1} value={level?.agent ?? 0} /></label><span>{who}</span></p>;
}

function Controls({ call }: { call: Call }) {
  const path = `/api/calls/${call.callSid}`;
  return <section aria-labelledby="controls" className="controls"><h2 id="controls">Steer</h2>
    <div className="row">
      {call.onHold ? <Act label="Resume" act={() => post(`${path}/resume`)} /> : <Act label="Hold" act={() => post(`${path}/hold`)} />}
      <Act label="Hang up" danger act={() => post(`${path}/hangup`)} />
    </div>
    <Form label="Tell the agent" reset submit={(f) => post(`${path}/inject-context`, f)}><Text label="Something it should know" name="context" required rows={2} /></Form>
    <Form label="Press" reset submit={(f) => post(`${path}/dtmf`, f)}><Text label="Keys" name="digits" required placeholder="1w2#" hint="0–9 * # A–D, w waits half a second" /></Form>
    {call.direction !== 'browser' && <Form label="Transfer" reset submit={(f) => post(`${path}/transfer`, f)}><Text label="To a person's number" name="toNumber" type="tel" required placeholder="+12025550199" /></Form>}
    {call.operatorQuestion && <Form label="Answer" reset submit={(f) => post(`${path}/answer-operator`, f)}><Text label={`The agent asks: ${call.operatorQuestion.question}`} name="answer" required rows={2} /></Form>}
  </section>;
}

const shown: Record<string, string> = { 'stream-started': 'The line is open', 'agent-connected': 'The agent is there', interruption: 'The agent was interrupted', 'worker-died': 'The call’s process died; the line was kept', 'agent-lost': 'The agent’s connection broke',
  hold: 'On hold', resume: 'Back from hold', transfer: 'Transferred', silence: 'Silence', hangup: 'Hung up', 'dtmf-received': 'A key was pressed', 'context-injected': 'The agent was told something', 'tool-call': 'The agent used a tool', outcome: 'The outcome was reported', 'stream-ended': 'The line was closed' };

export function CallPage({ callSid }: { callSid: string }) {
  const { data: call, error, again, setData } = useData(() => get<Call>(`/api/calls/${callSid}`), [], [callSid]);
  const events = useData(() => get<{ events: CallEvent[] }>(`/api/calls/${callSid}/events`), [], [callSid]);
  const waiting = useRef(0);
  // A turn is shown when it is told; everything else is asked for anew, at most three times a second. So is one whose text
  // came late, which stands before others.
  useLive((happened) => {
    const ours = happened.filter((e) => e.callSid === callSid);
    if (ours.length === 0) return;
    const told = ours.filter((e) => e.kind === 'turn' && e.before === undefined).map((e) => ({ role: e.role as 'user', content: String(e.content), timestamp: String(e.timestamp) }));
    if (told.length) setData((c) => {
      if (!c) return c;
      const there = c.conversationHistory ?? [];
      return { ...c, conversationHistory: [...there, ...told.filter((t) => !there.some((o) => o.timestamp === t.timestamp && o.role === t.role))] };
    });
    waiting.current ||= window.setTimeout(() => {
      waiting.current = 0;
      get<Call>(`/api/calls/${callSid}`).then(setData, () => {});
      events.again();
    }, 350);
  });
  useEffect(() => () => clearTimeout(waiting.current), []);
  const lines = call?.conversationHistory?.length ?? 0;
  const follow = useFollow<HTMLOListElement>(`${lines}/${call?.conversationHistory?.at(-1)?.content ?? ''}`);
  if (!call) return <Page title="Call"><ErrorNote error={error} />{!error && <Loading />}</Page>;
  const scheduled = call.status === 'scheduled';
  const outcome = call.outcome as Record<string, unknown> | undefined;
  return <Page title={call.direction === 'browser' ? 'Call at this page' : `${call.direction === 'outbound' ? 'Call to' : 'Call from'} ${other(call)}`} actions={<Status>{call.onHold ? 'on-hold' : call.status}</Status>}>
    <dl className="facts">
      {scheduled ? <div><dt>Due</dt><dd>{time(call.callAt)}</dd></div> : <div><dt>Begun</dt><dd>{time(call.startedAt)}</dd></div>}<div><dt>Length</dt><dd>{span(call.duration) || '–'}</dd></div><div><dt>Provider</dt><dd>{call.provider}</dd></div>
      {call.cost && <div><dt>Cost</dt><dd>{call.cost.amount} {call.cost.unit}</dd></div>}
      {call.postponedReason && <div><dt>Waits because</dt><dd>{call.postponedReason}</dd></div>}
      {call.endReason && <div><dt>Ended because</dt><dd>{call.endReason}</dd></div>}
      {call.errorMessage && <div><dt>Trouble</dt><dd>{call.errorMessage}</dd></div>}
    </dl>
    <div className="columns">
      <section aria-labelledby="transcript"><h2 id="transcript">Transcript</h2>
        {call.isLive && <Levels callSid={callSid} onHold={call.onHold} />}
        {lines === 0 && <Empty>{call.isLive ? 'Nobody has said anything yet.' : scheduled ? 'The call is not placed yet.' : 'Nothing was said.'}</Empty>}
        <ol className="turns" aria-live="polite" tabIndex={0} aria-labelledby="transcript" {...follow}>{call.conversationHistory?.filter((t) => t.role !== 'system').map((t, i) => <li key={i} className={t.role}><b>{t.role === 'assistant' ? 'Agent' : 'Person'}</b> <time dateTime={t.timestamp}>{clock(t.timestamp)}</time><p dir="auto">{t.content}{t.truncated && <em> (interrupted)</em>}</p></li>)}</ol>
      </section>
      <div>
        {call.isLive && <Controls call={call} />}
        {scheduled && <Act label="Cancel the call" danger act={async () => { await post(`/api/calls/${callSid}/cancel`); again(); }} />}
        {outcome && <section><h2>Outcome</h2><dl className="facts">{Object.entries(outcome).map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{typeof v === 'string' ? v : JSON.stringify(v)}</dd></div>)}</dl></section>}
        {(call.notes?.length ?? 0) > 0 && <section><h2>Notes</h2><ul>{call.notes?.map((n, i) => <li key={i} dir="auto">{n.note}</li>)}</ul></section>}
        <Timings events={events.data?.events ?? []} />
        {call.record && <Recording callSid={callSid} />}
        <details><summary>What happened</summary><ol className="happenings">{events.data?.events.map((e) => <li key={`${e.attempt}/${e.seq}`}><time dateTime={e.timestamp}>{clock(e.timestamp)}</time> {shown[e.type] ?? e.type}</li>)}</ol></details>
        <details><summary>Instructions</summary><h3>Who the agent is</h3><p className="pre" dir="auto">{call.systemInstructions}</p><h3>What the call is for</h3><p className="pre" dir="auto">{call.callInstructions}</p></details>
      </div>
    </div>
  </Page>;
}
