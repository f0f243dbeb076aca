import { StrictMode, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { get, post, signedOut, api, type Question } from './api.ts';
import { closeLive, openLive, useConnected, useData, useLastWords } from './live.ts';
import { Act, Form, Text } from './parts.tsx';
import { Phone } from './Phone.tsx';
import { Activity } from './pages/Activity.tsx';
import { CallPage } from './pages/Call.tsx';
import { Calls } from './pages/Calls.tsx';
import { Health } from './pages/Health.tsx';
import { Messages } from './pages/Messages.tsx';
import { Numbers } from './pages/Numbers.tsx';
import { Operator } from './pages/Operator.tsx';
import { Settings } from './pages/Settings.tsx';
import { Templates } from './pages/Templates.tsx';
import { Voicemails } from './pages/Voicemails.tsx';
import './style.css';

const pages: [string, string, (said: Record<string, string>) => React.ReactNode][] = [
  ['calls', 'Calls', (said) => <Calls said={said} />], ['messages', 'Messages', () => <Messages />], ['voicemails', 'Voicemails', () => <Voicemails />],
  ['templates', 'Templates', () => <Templates />], ['numbers', 'Numbers', () => <Numbers />], ['operator', 'Operator', () => <Operator />],
  ['activity', 'Activity', () => <Activity />], ['health', 'Health', () => <Health />], ['settings', 'Settings', () => <Settings />],
];

function useRoute() {
  const [route, setRoute] = useState(location.hash.slice(2));
  useEffect(() => {
    const changed = () => setRoute(location.hash.slice(2));
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route.split('/');
}

function SignIn({ done }: { done: () => void }) {
  return <main className="signin">
    <h1>phony</h1>
    <p>An AI assistant picks up the phone; here you watch and steer it.</p>
    <Form label="Sign in" submit={async ({ token }) => { await post('/api/session', { token }); done(); }}>
      <Text label="API token" name="token" type="password" required wide hint="API_TOKEN of the settings, or what stands in STATE_DIR/api-token" />
    </Form>
  </main>;
}

function Shell({ leave }: { leave: () => void }) {
  const [name = 'calls', id] = useRoute(), connected = useConnected(), said = useLastWords();
  const questions = useData(() => get<{ data: { questions: Question[] } }>('/api/operator/questions'), ['question', 'answered', 'call']);
  const waiting = questions.data?.data.questions.length ?? 0;
  const page = pages.find(([n]) => n === name) ?? pages[0]!;
  return <>
    <a className="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById('main')?.focus(); }}>To the content</a>
    <nav aria-label="Pages">
      <a className="brand" href="#/calls">phony</a>
      <ul>{pages.map(([n, title]) => <li key={n}><a href={`#/${n}`} aria-current={n === page[0] ? 'page' : undefined}>{title}{n === 'operator' && waiting > 0 && <span className="badge" aria-label={`${waiting} waiting`}>{waiting}</span>}</a></li>)}</ul>
      <div className="foot">
        <span className={connected ? 'live on' : 'live'} role="status">{connected ? 'Live' : 'Connecting…'}</span>
        <Act label="End every call" danger confirm="End every live call at once?" act={() => post('/api/emergency-shutdown')} />
        <button type="button" onClick={() => api('DELETE', '/api/session').finally(leave)}>Sign out</button>
      </div>
    </nav>
    <main id="main" tabIndex={-1}>{name === 'calls' && id ? <CallPage key={id} callSid={id} /> : page[2](said)}</main>
    <Phone />
  </>;
}

// The tabs of one browser share the session.
const tabs = new BroadcastChannel('phony');

function App() {
  const [known, setKnown] = useState<boolean | null>(null);
  useEffect(() => {
    const ask = () => get<{ signedIn: boolean }>('/api/session').then(({ signedIn }) => setKnown(signedIn), () => setTimeout(ask, 2000));
    ask();
    const out = () => setKnown(false);
    signedOut.addEventListener('out', out);
    tabs.onmessage = ask;
    return () => { signedOut.removeEventListener('out', out); tabs.onmessage = null; };
  }, []);
  useEffect(() => { if (known) openLive(); else closeLive(); }, [known]);
  if (known === null) return <main className="signin"><h1>phony</h1><p aria-busy="true">Connecting…</p></main>;
  return known ? <Shell leave={() => { setKnown(false); tabs.postMessage('out'); }} /> : <SignIn done={() => { setKnown(true); tabs.postMessage('in'); }} />;
}

createRoot(document.getElementById('root')!).render(<StrictMode><App /></StrictMode>);
