import { type FormEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react';
import type { Call } from './api.ts';

export const time = (iso?: string) => (iso ? new Date(iso).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }) : '');
export const clock = (iso?: string) => (iso ? new Date(iso).toLocaleTimeString() : '');
export const span = (seconds?: number) => (seconds === undefined ? '' : `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`);

// Who is at the other end of our line.
export const other = (call: Pick<Call, 'direction' | 'toNumber' | 'fromNumber'>) => ({ outbound: call.toNumber, inbound: call.fromNumber, browser: 'This page' })[call.direction];

export function Page({ title, actions, children }: { title: string; actions?: ReactNode; children: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => { document.title = `${title} · phony`; heading.current?.focus({ preventScroll: true }); }, [title]);
  return <>
    <header className="page"><h1 ref={heading} tabIndex={-1}>{title}</h1><div className="actions">{actions}</div></header>
    {children}
  </>;
}

export const ErrorNote = ({ error }: { error: Error | null }) => (error ? <p role="alert" className="error">{error.message}</p> : null);
export const Empty = ({ children }: { children: ReactNode }) => <p className="empty">{children}</p>;
export const Loading = () => <p className="empty" aria-busy="true">Loading…</p>;
export const Status = ({ children }: { children: string }) => <span className={`status ${children}`}>{children}</span>;

export function Field({ label, hint, children, wide }: { label: string; hint?: string; wide?: boolean; children: (id: string, hintId?: string) => ReactNode }) {
  const id = useId(), hintId = hint ? `${id}-hint` : undefined;
  return <div className={wide ? 'field wide' : 'field'}><label htmlFor={id}>{label}</label>{children(id, hintId)}{hint && <small id={hintId}>{hint}</small>}</div>;
}
interface TextProps { label: string; name: string; hint?: string; value?: string; type?: string; required?: boolean; rows?: number; placeholder?: string; wide?: boolean; onChange?: (value: string) => void }
export const Text = ({ label, name, hint, value, type, required, rows, placeholder, wide, onChange }: TextProps) => (
  <Field label={label} hint={hint} wide={wide ?? rows !== undefined}>{(id, hintId) => (rows
    ? <textarea id={id} name={name} aria-describedby={hintId} defaultValue={value} required={required} rows={rows} placeholder={placeholder} onChange={(e) => onChange?.(e.target.value)} />
    : <input id={id} name={name} aria-describedby={hintId} type={type ?? 'text'} autoComplete={type === 'password' ? 'current-password' : 'off'} defaultValue={value} required={required} placeholder={placeholder} onChange={(e) => onChange?.(e.target.value)} />)}
  </Field>
);
export const Choice = ({ label, name, options, value, onChange }: { label: string; name: string; options: [string, string][]; value?: string; onChange?: (value: string) => void }) => (
  <Field label={label}>{(id) => <select id={id} name={name} defaultValue={value} onChange={(e) => onChange?.(e.target.value)}>{options.map(([v, t]) => <option key={v} value={v}>{t}</option>)}</select>}</Field>
);
export const Check = ({ label, name, value }: { label: string; name: string; value?: boolean }) => {
  const id = useId();
  return <div className="check"><input id={id} name={name} type="checkbox" defaultChecked={value} /><label htmlFor={id}>{label}</label></div>;
};

// The fields that say something; checkboxes as truth values.
export function fieldsOf(form: HTMLFormElement): Record<string, string | boolean> {
  const fields: Record<string, string | boolean> = {};
  for (const element of Array.from(form.elements)) {
    if (element instanceof HTMLInputElement && element.type === 'checkbox') fields[element.name] = element.checked;
    else if ((element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement) && element.name && element.value.trim() !== '') fields[element.name] = element.value.trim();
  }
  return fields;
}

export function Form({ submit, label, children, reset }: { submit: (fields: Record<string, string | boolean>) => Promise<unknown>; label: string; children: ReactNode; reset?: boolean }) {
  const [error, setError] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  async function onSubmit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    setBusy(true);
    setError(null);
    try {
      await submit(fieldsOf(form));
      if (reset) form.reset();
    } catch (e) {
      setError(e as Error);
    } finally {
      setBusy(false);
    }
  }
  return <form onSubmit={onSubmit}><div className="fields">{children}</div><ErrorNote error={error} /><button type="submit" className="primary" disabled={busy}>{busy ? 'One moment…' : label}</button></form>;
}

// A button that does something at phony, and says so when it cannot.
export function Act({ label, act, danger, confirm, primary, disabled }: { label: string; act: () => Promise<unknown>; danger?: boolean; primary?: boolean; confirm?: string; disabled?: boolean }) {
  const [error, setError] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  async function onClick() {
    if (confirm && !window.confirm(confirm)) return;
    setBusy(true);
    setError(null);
    try { await act(); } catch (e) { setError(e as Error); } finally { setBusy(false); }
  }
  return <span className="act"><button type="button" className={danger ? 'danger' : primary ? 'primary' : ''} disabled={busy || disabled} onClick={onClick}>{label}</button><ErrorNote error={error} /></span>;
}

export function Dialog({ title, open, close, children }: { title: string; open: boolean; close: () => void; children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => { if (open) dialog.current?.showModal(); else dialog.current?.close(); }, [open]);
  return <dialog ref={dialog} onClose={close} aria-label={title}>{open && <><header><h2>{title}</h2><button type="button" aria-label="Close" onClick={close}>×</button></header>{children}</>}</dialog>;
}
