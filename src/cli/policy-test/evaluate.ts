import { compilePolicies, explain, type AccessPolicy } from '../../domain/policy/index.ts';
import type { Broker } from '../broker.ts';
import type { Manifest } from '../documents/manifest.ts';
import { problemAt } from '../documents/manifest.ts';
import { UsageError } from '../usage-error.ts';
import type { PolicyCase } from './fixture.ts';

/** What was decided, and why. */
export interface Verdict {
  readonly effect: 'allow' | 'deny';
  /** `<policy>/<rule>`; undefined where none decided. */
  readonly rule: string | undefined;
  readonly lines: readonly string[];
}

export type Judge = (test: PolicyCase) => Promise<Verdict>;

/** By the policies of files, with the code that the broker decides with. What a test does not say is not known. */
export function offlineJudge(policies: readonly Manifest[]): Judge {
  const compiled = compilePolicies(
    policies.map(({ name, body }) => ({ name, version: 0, policy: body as AccessPolicy })),
  );
  return ({ who, capability, path, sourceAddress, at, podLabels, sealed }) => {
    const { decision, lines } = explain(compiled, {
      workload: { ...who, serviceAccountUid: '' },
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

/** By the policies that a broker has now. */
export function onlineJudge(broker: Broker): Judge {
  return async (test) => {
    const { who, capability, path, sourceAddress, at, podLabels, sealed } = test;
    if (sourceAddress === undefined) {
      const problem = problemAt(test.source, test.pointer, 'needs a sourceAddress');
      throw new UsageError('the broker is asked about a source address', [problem]);
    }
    const { body } = await broker.call('explainDecision', {
      body: {
        workload: who,
        capability,
        path,
        sourceAddress,
        ...(at !== undefined && { at: new Date(at).toISOString() }),
        ...(sealed !== undefined && { sealed }),
        ...(podLabels !== undefined && { podLabels: Object.fromEntries(podLabels) }),
      },
    });
    const { decision, lines, blocks } = body;
    // A quarantine refuses whatever the policies allow: the test must not pass on a decision that does not hold.
    return blocks.length === 0
      ? verdict(decision, lines)
      : { effect: 'deny', rule: undefined, lines };
  };
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
