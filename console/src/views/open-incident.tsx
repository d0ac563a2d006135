import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { Action } from '../action.tsx';
import { useAttempt } from '../attempt.ts';
import { call, type Schema } from '../client.ts';
import { brokerNow } from '../clock.ts';
import { count } from '../format.ts';
import { Lines, Name, Problem } from '../parts.tsx';
import { DAY_MS } from '../period.ts';
import { go, to } from '../router.ts';
import { isStepUp, StepUp } from '../step-up.tsx';

type Incident = Schema<'Incident'>;

/** Cuts a workload off and rotates what it read. A dry run shows that before. */
export function OpenIncident({ workload }: { readonly workload: string }): JSX.Element {
  const open = (reason: string, dryRun: boolean): Promise<Incident> => {
    const since = new Date(brokerNow() - DAY_MS).toISOString();
    return call('openIncident', { body: { kind: 'workload', workload, since, reason, dryRun } });
  };
  return (
    <Action
      label="Open incident"
      operation="openIncident"
      isDangerous
      reason="required"
      explanation={
        <>
          <p>
            <Name>{workload}</Name> is put into quarantine, and its sessions and leases end. Each
            secret that it read rotates without waiting for its holders.
          </p>
          <Plan read={() => open('plan', true)} />
        </>
      }
      command={(reason) => ['incident', 'open', '--workload', workload, '--reason', reason]}
      run={async (reason) => {
        const { alert } = await open(reason, false);
        if (alert !== undefined) go(to(`/incidents/${alert.id}`));
      }}
    />
  );
}

function Plan({ read }: { readonly read: () => Promise<Incident> }): JSX.Element {
  const [plan, setPlan] = useState<Incident>();
  const { error, isRunning, attempt } = useAttempt();
  const run = (): void => void attempt(async () => setPlan(await read()));
  return (
    <>
      <button type="button" disabled={isRunning} onClick={run}>
        {isRunning ? 'Reading the log…' : 'Show what it read'}
      </button>
      {error !== undefined &&
        (isStepUp(error) ? <StepUp error={error} onConfirmed={run} /> : <Problem error={error} />)}
      {plan !== undefined && (
        <div role="status">
          <p>
            {plan.isComplete ? '' : 'At least '}
            {count(plan.secrets.length, 'secret')} of the last day
            {plan.hidden > 0 && `, and ${plan.hidden} that it read before`}.
          </p>
          <Lines items={plan.secrets.map(({ path }) => path)} />
        </div>
      )}
    </>
  );
}
