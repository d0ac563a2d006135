import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { useAttempt } from './attempt.ts';
import { call, type Schema } from './client.ts';
import { Choice, Field } from './fields.tsx';
import { duration } from './format.ts';
import { Command, Lines, Problem, State } from './parts.tsx';
import { Permitted } from './rights.tsx';

const CAPABILITIES = [
  'read',
  'list',
  'write',
  'rotate',
] as const satisfies readonly Schema<'Capability'>[];
type Capability = (typeof CAPABILITIES)[number];

interface ExplainProps {
  /** The workload; without it the person types one. */
  readonly workload?: string;
  /** The path; without it the person types one and chooses the capability. */
  readonly path?: string;
}

interface Question {
  readonly workload: string;
  readonly path: string;
  readonly capability: Capability;
  readonly address: string;
}

interface Answered {
  readonly to: Question;
  readonly explanation: Schema<'Explanation'>;
}

/** The workload of a text such as `k8s://cluster/namespace/account`. */
function workloadOf(text: string): Schema<'Question'>['workload'] {
  const [, cluster = '', identity = ''] = /^ci:\/\/([^/]+)\/(.+)$/.exec(text) ?? [];
  if (identity !== '') return { cluster, identity: identity.split('/') };
  const [in_ = '', namespace = '', serviceAccount = ''] = text.replace(/^k8s:\/\//, '').split('/');
  return { cluster: in_, namespace, serviceAccount };
}

/** Asks the broker what a workload may do, and which rule decides. The page decides nothing itself. */
export function Explain({ workload: given, path }: ExplainProps): JSX.Element {
  const [question, setQuestion] = useState<Question>({
    workload: given ?? '',
    path: path ?? '',
    capability: 'read',
    address: '127.0.0.1',
  });
  const [answer, setAnswer] = useState<Answered>();
  const { error, attempt } = useAttempt();
  const set = (change: Partial<Question>): void => setQuestion({ ...question, ...change });
  const ask = async (): Promise<void> => {
    setAnswer(undefined);
    const { capability, path: asked, address: sourceAddress } = question;
    const workload = workloadOf(question.workload.trim());
    const body = { workload, capability, path: asked.trim(), sourceAddress };
    setAnswer({ to: question, explanation: await call('explainDecision', { body }) });
  };
  return (
    <>
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(ask);
        }}
      >
        {given === undefined && (
          <Field
            label="Workload"
            required
            pattern="(k8s://)?[^\/]+/[^\/]+/[^\/]+|ci://[^\/]+/.+"
            value={question.workload}
            placeholder="k8s://cluster/namespace/account"
            onInput={(workload) => set({ workload })}
          />
        )}
        {path === undefined && (
          <>
            <Field
              label="Path"
              required
              value={question.path}
              placeholder="payments/db"
              onInput={(typed) => set({ path: typed })}
            />
            <Choice
              label="Capability"
              value={question.capability}
              options={CAPABILITIES.map((each) => [each, each])}
              onChange={(capability) => set({ capability })}
            />
          </>
        )}
        <Field
          label="Source address"
          required
          value={question.address}
          onInput={(address) => set({ address })}
        />
        <Permitted operation="explainDecision" type="submit">
          Explain
        </Permitted>
      </form>
      {error !== undefined && <Problem error={error} />}
      {answer?.to === question && (
        <Answer answer={answer.explanation} capability={question.capability} />
      )}
      {path === undefined && (
        <Command
          words={[
            'policy',
            'explain',
            question.workload === '' ? 'WORKLOAD' : question.workload,
            question.path === '' ? 'PATH' : question.path,
            '--capability',
            question.capability,
            '--source-address',
            question.address,
          ]}
        />
      )}
    </>
  );
}

function Answer({
  answer: { decision, blocks, lines },
  capability,
}: {
  readonly answer: Schema<'Explanation'>;
  readonly capability: Capability;
}): JSX.Element {
  const { effect, policy, rule, maxLeaseTtlSeconds } = decision;
  const isAllowed = effect === 'allow' && blocks.length === 0;
  return (
    <div role="status">
      <p>
        <State tone={isAllowed ? 'good' : 'bad'}>
          {isAllowed ? `may ${capability}` : `may not ${capability}`}
        </State>{' '}
        {policy !== undefined && (
          <>
            by rule <b>{rule}</b> of policy <b>{policy}</b>
          </>
        )}
        {maxLeaseTtlSeconds !== undefined && effect === 'allow' && (
          <span class="quiet"> for at most {duration(maxLeaseTtlSeconds)}</span>
        )}
      </p>
      <Lines items={lines} />
    </div>
  );
}
