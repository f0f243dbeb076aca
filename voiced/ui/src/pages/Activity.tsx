import { get, query } from '../api.ts';
import { useData } from '../live.ts';
import { Empty, ErrorNote, Loading, Page } from '../parts.tsx';

interface Stats { calls: number; inbound: number; outbound: number; answered: number; answerRate: number; totalSeconds: number; responses: number; responseAverageMs: number; interruptions: number; credits: number; byStatus: Record<string, number>; failures: Record<string, number>; byHour?: Record<string, { calls: number; failed: number }> }

const days = 14;
const daysAgo = (n: number) => { const d = new Date(); d.setHours(0, 0, 0, 0); d.setDate(d.getDate() - n); return d; };

function Days({ hours }: { hours: NonNullable<Stats['byHour']> }) {
  const counts = Array.from({ length: days }, (_, i) => ({ day: daysAgo(days - 1 - i), calls: 0, failed: 0 }));
  for (const [hour, { calls, failed }] of Object.entries(hours)) {
    const one = counts.find((c) => c.day.toDateString() === new Date(hour).toDateString());
    if (one) { one.calls += calls; one.failed += failed; }
  }
  const most = Math.max(1, ...counts.map((c) => c.calls));
  return <figure><svg className="chart days" role="img" viewBox="0 0 280 84" aria-label={`Calls of the last fourteen days: ${counts.map((c) => c.calls).join(', ')}`}>
    {counts.map(({ day, calls, failed }, i) => { const h = (calls / most) * 64, b = (failed / most) * 64;
      return <g key={i}><rect x={i * 20 + 2} y={66 - h} width="15" height={h + 1}><title>{`${day.toDateString()}: ${calls} calls, ${failed} failed`}</title></rect><rect className="bad" x={i * 20 + 2} y={66 - b} width="15" height={b} /><text x={i * 20 + 9} y="80">{day.getDate()}</text></g>; })}
  </svg><figcaption>Calls of the last fourteen days (failed ones at the bottom)</figcaption></figure>;
}

export function Activity() {
  const stats = useData(() => get<{ data: Stats }>('/api/stats'), ['call']);
  const recent = useData(() => get<{ data: Stats }>(`/api/stats${query({ startDate: daysAgo(days - 1).toISOString() })}`), ['call']);
  const s = stats.data?.data;
  const failures = Object.entries(s?.failures ?? {}).toSorted((a, b) => b[1] - a[1]);
  const facts: [string, string][] = s ? [['Calls', `${s.calls} (${s.outbound} placed, ${s.inbound} came in)`], ['Answered', `${s.answered} (${Math.round(s.answerRate * 100)} %)`], ['Talked', `${Math.round(s.totalSeconds / 60)} min`],
    ['Responses', s.responses ? `${s.responses}, after ${s.responseAverageMs} ms on average` : '–'], ['Interruptions', String(s.interruptions)], ...(s.credits ? [['ElevenLabs', `${s.credits} credits`] as [string, string]] : [])] : [];
  return <Page title="Activity">
    <ErrorNote error={stats.error ?? recent.error} />
    {!s && !stats.error && <Loading />}
    {s && s.calls === 0 && <Empty>Nothing has happened yet. After the first call there are numbers here.</Empty>}
    {s && s.calls > 0 && <><dl className="facts">{facts.map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}</dl>
      {recent.data?.data.byHour && <Days hours={recent.data.data.byHour} />}
      <h2>Calls by state</h2><dl className="facts">{Object.entries(s.byStatus).map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}</dl>
      {failures.length > 0 && <><h2>Why calls failed</h2><ul>{failures.map(([reason, n]) => <li key={reason}>{n} × {reason}</li>)}</ul></>}</>}
  </Page>;
}
