import { useState } from 'react';
import { type Context, api, get, post } from '../api.ts';
import { useData } from '../live.ts';
import { Act, Choice, Dialog, Empty, ErrorNote, Form, Loading, Page, Text } from '../parts.tsx';

interface MessageTemplate { name: string; body: string; description?: string }

export function Templates() {
  const contexts = useData(() => get<{ data: { contexts: Context[] } }>('/api/contexts'), []);
  const messages = useData(() => get<{ data: { templates: MessageTemplate[] } }>('/api/sms/templates'), []);
  const [context, setContext] = useState<Partial<Context> | null>(null);
  const [message, setMessage] = useState<Partial<MessageTemplate> | null>(null);
  return <Page title="Templates" actions={<><button type="button" onClick={() => setMessage({})}>New message template</button><button type="button" className="primary" onClick={() => setContext({})}>New call template</button></>}>
    <h2>Of calls</h2>
    <ErrorNote error={contexts.error} />
    {!contexts.data && !contexts.error && <Loading />}
    {contexts.data?.data.contexts.length === 0 && <Empty>None yet. A call template keeps who the agent is, under a name that a call is started with.</Empty>}
    <ul className="cards">{contexts.data?.data.contexts.map((c) => <li key={c.contextId} className="card"><h3>{c.name} <small>{c.contextType}</small></h3><p className="pre" dir="auto">{c.systemInstructions}</p>
      <div className="row"><button type="button" onClick={() => setContext(c)}>Change</button><Act label="Delete" danger confirm={`Delete “${c.name}”?`} act={async () => { await api('DELETE', `/api/contexts/${c.contextId}`); contexts.again(); }} /></div></li>)}</ul>
    <h2>Of messages</h2>
    <ErrorNote error={messages.error} />
    {messages.data?.data.templates.length === 0 && <Empty>None yet. A message template is a text with {'{{fields}}'} that are filled in when it is sent.</Empty>}
    <ul className="cards">{messages.data?.data.templates.map((t) => <li key={t.name} className="card"><h3>{t.name}</h3><p className="pre" dir="auto">{t.body}</p>
      <div className="row"><button type="button" onClick={() => setMessage(t)}>Change</button><Act label="Delete" danger confirm={`Delete “${t.name}”?`} act={async () => { await api('DELETE', `/api/sms/templates/${encodeURIComponent(t.name)}`); messages.again(); }} /></div></li>)}</ul>
    <Dialog title={context?.contextId ? 'Change the call template' : 'New call template'} open={context !== null} close={() => setContext(null)}>
      <Form label="Save" submit={async (f) => { await (context?.contextId ? api('PUT', `/api/contexts/${context.contextId}`, f) : post('/api/contexts', f)); setContext(null); contexts.again(); }}>
        <Text label="Name" name="name" required value={context?.name} />
        <Choice label="For calls that" name="contextType" value={context?.contextType ?? 'outgoing'} options={[['outgoing', 'go out'], ['incoming', 'come in'], ['both', 'do either']]} />
        <Text label="Who the agent is" name="systemInstructions" required rows={6} value={context?.systemInstructions} />
        <Text label="Description" name="description" value={context?.description} wide />
      </Form>
    </Dialog>
    <Dialog title={message?.name ? 'Change the message template' : 'New message template'} open={message !== null} close={() => setMessage(null)}>
      <Form label="Save" submit={async (f) => { await (message?.name ? api('PUT', `/api/sms/templates/${encodeURIComponent(message.name)}`, { body: f.body }) : post('/api/sms/templates', f)); setMessage(null); messages.again(); }}>
        {!message?.name && <Text label="Name" name="name" required />}
        <Text label="Text" name="body" required rows={4} value={message?.body} hint="{{name}} is filled in when it is sent" />
      </Form>
    </Dialog>
  </Page>;
}
