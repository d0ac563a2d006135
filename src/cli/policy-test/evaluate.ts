import { compilePolicies, explain, type AccessPolicy } from '../../domain/policy/index.ts';
import type { components } from '../../client/index.ts';
import type { Workload } from '../../domain/identity/workload.ts';
import type { Broker } from '../connection/broker.ts';
import type { Manifest } from '../documents/manifest.ts';
import { problemAt } from '../documents/manifest.ts';
import { UsageError } from '../kernel/errors.ts';
import type { PolicyCase } from './fixture.ts';

/** A decision with its reasons. */
export interface Verdict {
  readonly effect: 'allow' | 'deny';
  /** Rule `<policy>/<rule>`; undefined if no rule decided. */
  readonly rule: string | undefined;
  readonly lines: readonly string[];
}

export type Judge = (test: PolicyCase) => Promise<Verdict>;

/** Decides by the policies of files, with the broker's own code. A fact that a test does not give is unknown to the decision. */
export function offlineJudge(policies: readonly Manifest[]): Judge {
  const compiled = compilePolicies(
    policies.map(({ name, body }) => ({ name, version: 0, policy: body as AccessPolicy })),
  );
  return ({ who, capability, path, sourceAddress, at, podLabels, sealed }) => {
    const { decision, lines } = explain(compiled, {
      workload: who,
      capability,
      path,
      sourceAddress: sourceAddress ?? '',
      now: at ?? Number.NaN,
      podLabels,
      sealed,
    });
    return Promise.resolve(verdict(decision, lines));
  };
}

/** Decides by the current policies of a broker. */
export function onlineJudge(broker: Broker): Judge {
  return async (test) => {
    const { who, capability, path, sourceAddress, at, podLabels, sealed } = test;
    if (sourceAddress === undefined) {
      const problem = problemAt(test.source, test.pointer, 'needs a sourceAddress');
      throw new UsageError('tests against a broker need a source address', [problem]);
    }
    const { body } = await broker.call('explainDecision', {
      body: {
        workload: questionWorkload(who),
        capability,
        path,
        sourceAddress,
        ...(at !== undefined && { at: new Date(at).toISOString() }),
        ...(sealed !== undefined && { sealed }),
        ...(podLabels !== undefined && { podLabels: Object.fromEntries(podLabels) }),
      },
    });
    const { decision, lines, blocks } = body;
    // A quarantine overrides what the policies allow: the test must not pass on a decision that has no effect.
    return blocks.length === 0
      ? verdict(decision, lines)
      : { effect: 'deny', rule: undefined, lines };
  };
}

/** The workload of a question: the broker knows the UID of a service account from logins only. */
export function questionWorkload(
  workload: Workload,
): components['schemas']['Question']['workload'] {
  const { cluster } = workload;
  if ('identity' in workload) return { cluster, identity: workload.identity };
  const { namespace, serviceAccount, pod } = workload;
  return { cluster, namespace, serviceAccount, ...(pod !== undefined && { pod }) };
}

function verdict(
  decision: {
    readonly effect: 'allow' | 'deny';
    readonly policy?: string | undefined;
    readonly rule?: string | undefined;
  },
  lines: readonly string[],
): Verdict {
  const { effect, policy, rule } = decision;
  return { effect, rule: policy === undefined ? undefined : `${policy}/${rule ?? ''}`, lines };
}
