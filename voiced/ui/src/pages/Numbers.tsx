import { useState } from 'react';
import { type Handler, type PhoneNumber, api, get, post } from '../api.ts';
import { useData } from '../live.ts';
import { Act, Check, Choice, Dialog, Empty, ErrorNote, Form, Loading, Page, Status, Text } from '../parts.tsx';

export function Numbers() {
  const numbers = useData(() => get<{ data: { numbers: PhoneNumber[] } }>('/api/numbers'), []);
  const handlers = useData(() => get<{ data: { configs: Handler[] } }>('/api/incoming-configs'), []);
  const [open, setOpen] = useState<{ handler?: Handler; phoneNumber: string } | null>(null);
  const [kind, setKind] = useState('agent');
  const again = () => { numbers.again(); handlers.again(); };
  const kindOf = (h?: Handler) => (h?.messageOnly ? 'message' : h?.voicemailEnabled ? 'voicemail' : 'agent');
  const words = { agent: 'The agent answers', message: 'A message is said', voicemail: 'Voicemail' };
  const list = numbers.data?.data.numbers ?? [];
  const known = new Map((handlers.data?.data.configs ?? []).map((h) => [h.phoneNumber, h]));
  const edit = (phoneNumber: string, handler?: Handler) => { setKind(kindOf(handler)); setOpen({ phoneNumber, handler }); };
  return <Page title="Numbers">
    <ErrorNote error={numbers.error ?? handlers.error} />
    {!numbers.data && !numbers.error && <Loading />}
    {numbers.data && list.length === 0 && <Empty>The Twilio account has no numbers. Buy one in the Twilio Console; it then stands here.</Empty>}
    <ul className="cards">{[...list, ...[...known.keys()].filter((n) => !list.some((l) => l.phoneNumber === n)).map((phoneNumber) => ({ phoneNumber, friendlyName: '', configured: true, webhookSet: false }))].map((n) => {
      const handler = known.get(n.phoneNumber);
      return <li key={n.phoneNumber} className="card"><h2>{n.phoneNumber}</h2>
        <p>{handler ? <>{words[kindOf(handler)]}{handler.name ? `: ${handler.name}` : ''} {handler.enabled === false && <Status>disabled</Status>}</> : 'Callers hear that this number takes no calls.'} {handler && !n.webhookSet && <em>Twilio does not send this number’s calls here yet.</em>}</p>
        <div className="row"><button type="button" onClick={() => edit(n.phoneNumber, handler)}>{handler ? 'Change' : 'Answer its calls'}</button>
          {handler && <Act label="Remove" danger confirm={`Nobody answers ${n.phoneNumber} any more?`} act={async () => { await api('DELETE', `/api/incoming-configs/${encodeURIComponent(n.phoneNumber)}`); again(); }} />}</div></li>;
    })}</ul>
    <Dialog title={`Who answers ${open?.phoneNumber}`} open={open !== null} close={() => setOpen(null)}>
      <Form label="Save" submit={async (f) => {
        const { setWebhook, ...fields } = f;
        const body = { ...fields, messageOnly: kind === 'message', voicemailEnabled: kind === 'voicemail', ...(setWebhook ? { setWebhook } : {}), ...(fields.voicemailMaxLength ? { voicemailMaxLength: Number(fields.voicemailMaxLength) } : {}) };
        await (open?.handler ? api('PUT', `/api/incoming-configs/${encodeURIComponent(open.phoneNumber)}`, body) : post('/api/incoming-configs', { ...body, phoneNumber: open?.phoneNumber }));
        setOpen(null);
        again();
      }}>
        <Text label="Name" name="name" value={open?.handler?.name} />
        <Field kind={kind} setKind={setKind} />
        {kind === 'agent' && <><Text label="Who the agent is" name="systemInstructions" required rows={4} value={open?.handler?.systemInstructions} /><Text label="What it does with callers" name="callInstructions" required rows={3} value={open?.handler?.callInstructions} /></>}
        {kind === 'message' && <Text label="What is said" name="hangupMessage" required rows={3} value={open?.handler?.hangupMessage} />}
        {kind === 'voicemail' && <><Text label="Greeting" name="voicemailGreeting" required rows={3} value={open?.handler?.voicemailGreeting} /><Text label="Longest message in seconds" name="voicemailMaxLength" type="number" value={String(open?.handler?.voicemailMaxLength ?? 120)} /></>}
        <Check label="Enabled" name="enabled" value={open?.handler?.enabled ?? true} />
        <Check label="Let Twilio send this number’s calls here" name="setWebhook" />
      </Form>
    </Dialog>
  </Page>;
}

const Field = ({ kind, setKind }: { kind: string; setKind: (kind: string) => void }) => (
  <Choice label="Callers get" name="" value={kind} onChange={setKind} options={[['agent', 'the agent'], ['message', 'a message'], ['voicemail', 'voicemail']]} />
);
