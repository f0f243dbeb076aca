import { useEffect, useState } from 'react';
import { hangUp, press, setMuted, useLine } from './line.ts';
import { span } from './parts.tsx';

const keys = [...'123456789*0#'];

// While this page is a call's phone: on every page, at the bottom.
export function Phone() {
  const line = useLine();
  const [dialling, setDialling] = useState(false);
  const [, tick] = useState(0);
  const there = line !== null;
  useEffect(() => {
    if (!there) return;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    const stay = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', stay);
    addEventListener('pagehide', hangUp);
    return () => { clearInterval(timer); removeEventListener('beforeunload', stay); removeEventListener('pagehide', hangUp); };
  }, [there]);
  if (!line) return null;
  return <section className="phone" aria-label="Your call">
    <a href={`#/calls/${line.callSid}`}>You are on the phone</a>
    <span role="status">{line.connected ? span((Date.now() - line.since) / 1000) : 'Connecting…'}</span>
    <span className="levels"><label>You <meter max={1} value={Math.sqrt(line.levels[0])} /></label><label>Agent <meter max={1} value={Math.sqrt(line.levels[1])} /></label></span>
    <button type="button" aria-pressed={line.muted} onClick={() => setMuted(!line.muted)}>{line.muted ? 'Unmute' : 'Mute'}</button>
    <button type="button" aria-expanded={dialling} onClick={() => setDialling(!dialling)}>Keys</button>
    <button type="button" className="danger" onClick={hangUp}>Hang up</button>
    {dialling && <div className="keys">{keys.map((key) => <button key={key} type="button" onClick={() => press(key)}>{key}</button>)}</div>}
  </section>;
}
