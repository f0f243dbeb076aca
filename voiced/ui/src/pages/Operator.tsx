import { type Question, get, post } from '../api.ts';
import { useData } from '../live.ts';
import { Empty, ErrorNote, Form, Loading, Page, Text, clock, other } from '../parts.tsx';

export function Operator() {
  const { data, error, again } = useData(() => get<{ data: { questions: Question[] } }>('/api/operator/questions'), ['question', 'answered', 'call']);
  const questions = data?.data.questions;
  return <Page title="Operator">
    <ErrorNote error={error} />
    {!data && !error && <Loading />}
    {questions?.length === 0 && <Empty>No agent waits for an answer. When one asks, its caller hears music and the question stands here.</Empty>}
    <ul className="cards">{questions?.map((q) => <li key={q.callSid} className="card">
      <h2>{q.question}</h2>
      <p>Asked at {clock(q.askedAt)} in the <a href={`#/calls/${q.callSid}`}>call with {other(q)}</a>; it goes on without an answer after {q.seconds} s.</p>
      <Form label="Answer" submit={async (f) => { await post(`/api/calls/${q.callSid}/answer-operator`, f); again(); }}><Text label="Your answer" name="answer" required rows={2} /></Form>
    </li>)}</ul>
  </Page>;
}
