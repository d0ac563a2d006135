import { expect } from '@jest/globals';
import { inject, type InjectionSettings } from '../../../src/delivery/injector/inject.ts';
import type { Container, Pod, PodSpec } from '../../../src/delivery/injector/pod.ts';

export const SETTINGS: InjectionSettings = {
  image: 'registry.test/quaymaster:1',
  broker: {
    url: 'https://quaymaster.test:8200',
    ca: '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n',
    cluster: 'prod',
    audience: 'quaymaster',
  },
  resources: { cpuRequest: '10m', memoryRequest: '64Mi', memoryLimit: '256Mi' },
  hasNativeSidecars: true,
};

/** Annotations by their name after the domain; by default `inject: "true"` and one secret. */
export function annotated(
  short: Readonly<Record<string, string>>,
  first: Readonly<Record<string, string>> = { inject: 'true', 'secret-db': 'payments/db' },
): Record<string, string> {
  const all = Object.entries({ ...first, ...short });
  return Object.fromEntries(all.map(([key, text]) => [`quaymaster.dev/${key}`, text]));
}

export function podWith(
  annotations: Readonly<Record<string, string>>,
  spec: Partial<PodSpec> = {},
): Pod {
  return {
    metadata: { name: 'web', annotations: annotated(annotations) },
    spec: {
      securityContext: { runAsUser: 1000 },
      containers: [{ name: 'app', image: 'registry.test/app:1' }],
      ...spec,
    },
  };
}

/** The pod with the injected agent; fails if it is denied. */
export function injected(pod: Pod, settings: Partial<InjectionSettings> = {}): Pod {
  const injection = inject(pod, { ...SETTINGS, ...settings });
  expect(injection).toMatchObject({ outcome: 'injected' });
  return injection.outcome === 'injected' ? injection.pod : pod;
}

/** Lists the reasons of a denial: the pointers, each with its message. */
export function denials(pod: Pod): readonly string[] {
  const injection = inject(pod, SETTINGS);
  return injection.outcome === 'denied'
    ? injection.problems.map(({ place, message }) => `${place}: ${message}`)
    : [];
}

export function agentOf(pod: Pod): Container {
  const all = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  return all.find(({ name }) => name.startsWith('quaymaster-agent'))!;
}

/** The configuration of the agent in a pod. */
export function configOf(pod: Pod): Record<string, unknown> {
  const [{ value }] = agentOf(pod)['env'] as [{ value: string }];
  return JSON.parse(value) as Record<string, unknown>;
}
