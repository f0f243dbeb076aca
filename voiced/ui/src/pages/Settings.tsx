import { useId, useState } from 'react';
import { api, get } from '../api.ts';
import { useData } from '../live.ts';
import { Act, ErrorNote, Loading, Page } from '../parts.tsx';

interface Setting { name: string; value?: string; isSet?: boolean; default: string; help: string; kind: 'text' | 'number' | 'switch' | 'choice' | 'secret'; min?: number; max?: number; choices?: string[]; changeable: boolean; changed: boolean }

const put = (changes: Record<string, string | null>) => api<{ message: string }>('PUT', '/api/settings', changes);

// One setting that may be changed while phony runs: kept at once, in force in a moment.
function Row({ setting, done }: { setting: Setting; done: (message: string) => void }) {
  const [value, setValue] = useState(setting.value ?? '');
  const id = useId();
  const common = { id, value, 'aria-describedby': `${id}-help`, onChange: (e: { target: { value: string } }) => setValue(e.target.value) };
  const keep = async (wanted: string | null) => { const { message } = await put({ [setting.name]: wanted }); done(`${setting.name}: ${message}`); };
  return <div className="field setting">
    <label htmlFor={id}>{setting.name}</label>
    <span className="row">
      {setting.kind === 'switch' ? <select {...common}><option value="true">on</option><option value="false">off</option></select>
        : setting.kind === 'choice' ? <select {...common}>{setting.choices?.map((c) => <option key={c}>{c}</option>)}</select>
          : <input {...common} type={setting.kind === 'number' ? 'number' : 'text'} min={setting.min} max={setting.max} placeholder={setting.default} autoComplete="off" />}
      {value !== setting.value && <Act label="Keep" primary act={() => keep(value)} />}
      {setting.changed && <Act label="As configured" act={() => keep(null)} />}
    </span>
    <small id={`${id}-help`}>{setting.help}{setting.kind === 'number' && ` (${setting.min} to ${setting.max})`}{setting.changed && ' · changed here'}</small>
  </div>;
}

export function Settings() {
  const { data, error, again } = useData(() => get<{ data: { settings: Setting[] } }>('/api/settings'), []);
  const [told, setTold] = useState('');
  const all = data?.data.settings ?? [];
  return <Page title="Settings">
    <ErrorNote error={error} />
    {!data && !error && <Loading />}
    <p role="status">{told || 'What is changed here is in force in a moment; live calls go on as they began.'}</p>
    <div className="settings">{all.filter((s) => s.changeable).map((s) => <Row key={`${s.name} ${s.value} ${s.changed}`} setting={s} done={(message) => { setTold(message); again(); }} />)}</div>
    {all.length > 0 && <details><summary>The rest, from the environment and phony.env</summary>
      <div className="scroll"><table><thead><tr><th scope="col">Setting</th><th scope="col">Value</th><th scope="col">What it is</th></tr></thead>
        <tbody>{all.filter((s) => !s.changeable).map((s) => <tr key={s.name}><td>{s.name}</td><td>{s.kind === 'secret' ? (s.isSet ? 'set' : 'not set') : s.value || 'not set'}</td><td>{s.help}</td></tr>)}</tbody></table></div></details>}
  </Page>;
}
