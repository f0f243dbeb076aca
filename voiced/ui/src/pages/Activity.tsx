import { type Call, get } from '../api.ts';
import { useData } from '../live.ts';
import { Empty, ErrorNote, Loading, Page } from '../parts.tsx';

interface Stats { calls: number; inbound: number; outbound: number; answered: number; answerRate: number; totalSeconds: number; responses: number; responseAverageMs: number; interruptions: number; credits: number; byStatus: Record<string, number> }

function Days({ calls }: { calls: Call[] }) {
  const days = Array.from({ length: 14 }, (_, i) => { const d = new Date(); d.setDate(d.getDate() - 13 + i); return d.toDateString(); });
  const counts = days.map((d) => calls.filter((c) => c.startedAt && new Date(c.startedAt).toDateString() === d));
  const most = Math.max(1, ...counts.map((c) => c.length));
  return <figure><svg className="chart days" role="img" viewBox="0 0 280 84" aria-label={`Calls of the last fourteen days: ${counts.map((c) => c.length).join(', ')}`}>
    {counts.map((list, i) => { const bad = list.filter((c) => c.status === 'failed').length, h = (list.length / most) * 64, b = (bad / most) * 64;
      return <g key={days[i]}><rect x={i * 20 + 2} y={66 - h} width="15" height={h + 1}><title>{`${days[i]}: ${list.length} calls, ${bad} failed`}</title></rect><rect className="bad" x={i * 20 + 2} y={66 - b} width="15" height={b} /><text x={i * 20 + 9} y="80">{new Date(days[i]!).getDate()}</text></g>; })}
  </svg><figcaption>Calls of the last fourteen days (failed ones darker)</figcaption></figure>;
}

export function Activity() {
  const stats = useData(() => get<{ data: Stats }>('/api/stats'), ['call']);
  const calls = useData(() => get<{ calls: Call[] }>('/api/calls?limit=200'), ['call']);
  const s = stats.data?.data;
  const failures = Object.entries(Object.groupBy((calls.data?.calls ?? []).filter((c) => c.status === 'failed'), (c) => c.errorMessage ?? 'no reason is known')).map(([reason, list]) => [reason, list!.length] as const).toSorted((a, b) => b[1] - a[1]);
  const facts: [string, string][] = s ? [['Calls', `${s.calls} (${s.outbound} placed, ${s.inbound} came in)`], ['Answered', `${s.answered} (${Math.round(s.answerRate * 100)} %)`], ['Talked', `${Math.round(s.totalSeconds / 60)} min`],
    ['Responses', s.responses ? `${s.responses}, after ${s.responseAverageMs} ms on average` : '–'], ['Interruptions', String(s.interruptions)], ...(s.credits ? [['ElevenLabs', `${s.credits} credits`] as [string, string]] : [])] : [];
  return <Page title="Activity">
    <ErrorNote error={stats.error ?? calls.error} />
    {!s && !stats.error && <Loading />}
    {s && s.calls === 0 && <Empty>Nothing has happened yet. After the first call there are numbers here.</Empty>}
    {s && s.calls > 0 && <><dl className="facts">{facts.map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}</dl>
      {calls.data && <Days calls={calls.data.calls} />}
      <h2>How calls ended</h2><dl className="facts">{Object.entries(s.byStatus).map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}</dl>
      {failures.length > 0 && <><h2>Why calls failed</h2><ul>{failures.map(([reason, n]) => <li key={reason}>{n} × {reason}</li>)}</ul></>}</>}
  </Page>;
}
