import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { settingsSchema } from '../../../../src/delivery/settings/settings.ts';
import { inject } from '../../../../src/delivery/injector/inject.ts';
import { jsonPatch } from '../../../../src/delivery/injector/json-patch.ts';
import { applyPatch } from '../../../kit/delivery/apply-json-patch.ts';
import { configOf, podWith, SETTINGS } from '../../../kit/delivery/injected-pods.ts';

const KEYS = [
  'inject',
  'injected',
  'containers',
  'directory',
  'once',
  'health-port',
  'secret-db',
  'secret-api',
  'file-db',
  'format-db',
  'mode-db',
  'template-db',
  'template-x',
  'credential-api',
  'optional-db',
  'when-unreachable',
  'on-change-url',
  'nonsense',
];
const TEXTS = [
  'true',
  'false',
  'app',
  'app,init',
  'a/b',
  'a/b@3',
  'json',
  'files',

  '1h',
  'keep',
  '/x/y',
  'x/y',
  '8202',
  'http://127.0.0.1:1/',
  '{{ secrets.db.x }} $(A)',
  '',
  '__proto__',
];
/** Every mode, with and without its leading zeros. */
const mode = fc
  .tuple(fc.nat(0o7777), fc.nat(4))
  .map(([bits, digits]) => bits.toString(8).padStart(digits, '0'));
const text = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...TEXTS) },
  { weight: 2, arbitrary: mode },
  fc.string(),
);
const annotations = fc
  .array(fc.tuple(fc.constantFrom(...KEYS), text), { maxLength: 6 })
  .map((pairs) => [['inject', 'true'], ['secret-db', 'payments/db'], ...pairs] as const)
  .map((pairs) =>
    Object.fromEntries(pairs.map(([key, value]) => [`quaymaster.dev/${key}`, value])),
  );
const name = fc.constantFrom('app', 'init', 'other', 'quaymaster-agent', 'quaymaster-agent-init');
const container = fc.record(
  {
    name,
    securityContext: fc.record(
      { runAsUser: fc.nat(3), runAsGroup: fc.nat(3) },
      { requiredKeys: [] },
    ),
    volumeMounts: fc.array(
      fc.record({ name, mountPath: fc.constantFrom('/x', '/x/y', '/x/y/z', '/z') }),
    ),
  },
  { requiredKeys: ['name'] },
);
const pods = fc.record({
  metadata: fc.record({ annotations }),
  spec: fc.record(
    {
      containers: fc.array(container, { minLength: 1, maxLength: 3 }),
      initContainers: fc.array(container, { maxLength: 2 }),
      volumes: fc.array(fc.record({ name: fc.constantFrom('x', 'quaymaster-secrets') })),
      securityContext: fc.record(
        { runAsUser: fc.nat(2), supplementalGroups: fc.array(fc.nat(3)) },
        { requiredKeys: [] },
      ),
      hostNetwork: fc.boolean(),
      shareProcessNamespace: fc.boolean(),
      restartPolicy: fc.constantFrom('Always', 'Never'),
    },
    { requiredKeys: ['containers'] },
  ),
});

/** Names are unique in a pod: the API server checks that after admission. */
const distinct = pods.filter(({ spec: { containers, initContainers = [] } }) => {
  const names = [...containers, ...initContainers].map((one) => one.name);
  return new Set(names).size === names.length;
});

describe('injection into any pod', () => {
  it('never throws, and is complete or refused', () => {
    const seen = { injected: 0, denied: 0, unchanged: 0 };
    fc.assert(
      fc.property(pods, fc.boolean(), (pod, hasNativeSidecars) => {
        const before = structuredClone(pod);
        const injection = inject(pod, { ...SETTINGS, hasNativeSidecars });
        expect(pod).toEqual(before);
        seen[injection.outcome] += 1;
        if (injection.outcome === 'denied') expect(injection.problems).not.toEqual([]);
      }),
      { numRuns: 1_000 },
    );
    expect(Math.min(seen.injected, seen.denied, seen.unchanged)).toBeGreaterThan(0);
  });

  it('changes nothing the second time, and its patch gives the same pod', () => {
    fc.assert(
      fc.property(distinct, fc.boolean(), (pod, hasNativeSidecars) => {
        const settings = { ...SETTINGS, hasNativeSidecars };
        const injection = inject(pod, settings);
        fc.pre(injection.outcome === 'injected');
        const made = injection.pod;
        expect(inject(made, settings)).toMatchObject({ outcome: 'injected', pod: made });
        expect(applyPatch(pod, jsonPatch(pod, made))).toEqual(made);
      }),
      { numRuns: 1_000 },
    );
  });

  it('admits a mode exactly if the agent accepts it', () => {
    for (let bits = 0; bits <= 0o7777; bits += 1) {
      const octal = bits.toString(8);
      for (const text of new Set([octal, octal.padStart(3, '0'), octal.padStart(4, '0')])) {
        const { outcome } = inject(podWith({ 'mode-db': text }), SETTINGS);
        const secrets = [{ path: 'payments/db', mode: text.padStart(4, '0') }];
        const { success } = settingsSchema.safeParse({
          broker: { url: 'https://quaymaster.test' },
          cluster: 'prod',
          secrets,
        });
        expect([text, outcome]).toEqual([text, success ? 'injected' : 'denied']);
      }
    }
  });

  it('gives the agent a configuration that it accepts, and each name once', () => {
    fc.assert(
      fc.property(distinct, (pod) => {
        const injection = inject(pod, SETTINGS);
        fc.pre(injection.outcome === 'injected');
        const { spec } = injection.pod;
        const parsed = settingsSchema.safeParse(configOf(injection.pod));
        expect(parsed.error?.issues).toBeUndefined();
        const ours = [...spec.initContainers!, ...spec.containers]
          .map((one) => one.name)
          .filter((one) => one.startsWith('quaymaster-'));
        expect(new Set(ours).size).toBe(ours.length);
      }),
      { numRuns: 200 },
    );
  });
});
