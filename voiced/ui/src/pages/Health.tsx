import { useState } from 'react';
import { get, post } from '../api.ts';
import { useData } from '../live.ts';
import { Act, ErrorNote, Loading, Page, Status } from '../parts.tsx';

interface Worker { pid: number; callSid: string | null; state: string; cell: { user?: string; seccomp?: boolean; landlock?: number; memoryMb?: number } }
interface System { status: string; liveCalls: number; outgoingCalls: number; incomingCalls: number; maxCalls: number; maxOutgoingCalls: number; maxIncomingCalls: number; store: string; provider: string; workers: Worker[] }

interface Checkup { faults: number; findings: { state: string; what: string; words: string }[] }

export function Health() {
  const [checkup, setCheckup] = useState<Checkup | null>(null);
  const { data, error } = useData(() => get<System>('/api/status'), ['call']);
  const ready = useData(async () => { const a = await fetch('/ready'); return { status: a.status, ...(await a.json().catch(() => ({}))) as { status?: string; message?: string } }; }, ['call']);
  return <Page title="Health">
    <ErrorNote error={error} />
    {!data && !error && <Loading />}
    {data && <dl className="facts">
      <div><dt>phony</dt><dd><Status>{data.status}</Status></dd></div>
      <div><dt>Database</dt><dd>{data.store} {ready.data?.message ?? ''}</dd></div>
      <div><dt>Live calls</dt><dd>{data.liveCalls} of {data.maxCalls} (out {data.outgoingCalls} of {data.maxOutgoingCalls}, in {data.incomingCalls} of {data.maxIncomingCalls})</dd></div>
      <div><dt>Voice</dt><dd>{data.provider}</dd></div>
    </dl>}
    {data && <><h2>Processes of calls</h2><div className="scroll"><table><thead><tr><th scope="col">Process</th><th scope="col">Serves</th><th scope="col">Confined</th></tr></thead>
      <tbody>{data.workers.map((w) => <tr key={w.pid}><td>{w.pid}</td><td>{w.callSid ? <a href={`#/calls/${w.callSid}`}>{w.callSid}</a> : 'ready for a call'}</td><td>{[w.cell.user, w.cell.seccomp && 'seccomp', w.cell.landlock && `Landlock ${w.cell.landlock}`, w.cell.memoryMb && `${w.cell.memoryMb} MB`].filter(Boolean).join(', ')}</td></tr>)}</tbody></table></div></>}
    <h2>What is wrong?</h2>
    <Act label="Look at everything" act={async () => setCheckup((await post<{ data: Checkup }>('/api/doctor')).data)} />
    <p><small>Credentials, Twilio’s number and webhooks, the voice, the database, this machine, as <code>phony doctor</code> does; <code>phony doctor --fix</code> on the machine sets the number’s webhooks.</small></p>
    {checkup && <ul className="findings" aria-live="polite">{checkup.findings.map((f, i) => <li key={i}><Status>{f.state}</Status> <b>{f.what}</b> {f.words}</li>)}</ul>}
  </Page>;
}
