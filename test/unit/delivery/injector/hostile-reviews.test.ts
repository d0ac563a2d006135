import { describe, expect, it } from '@jest/globals';
import { inject } from '../../../../src/delivery/injector/inject.ts';
import {
  MOST_ANNOTATIONS,
  MOST_CHARACTERS,
  MOST_ITEMS,
} from '../../../../src/delivery/injector/annotations.ts';
import { answerReview } from '../../../../src/delivery/injector/review.ts';
import { podSchema, type Container, type Pod } from '../../../../src/delivery/injector/pod.ts';
import { growthOf } from '../../../kit/checks/time-growth.ts';
import {
  configOf,
  denials,
  injected,
  podWith,
  SETTINGS,
} from '../../../kit/delivery/injected-pods.ts';

/** `count` templates: each is an item with a file, and no two files may collide. */
function templates(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`template-t${n}`, '']));
}

describe('an expensive review', () => {
  it('is refused for the number of its annotations before any of them is parsed (DI01)', () => {
    const pod = podWith(templates(8_000));
    expect(denials(pod)).toEqual([
      `quaymaster.dev/inject: the pod has more than ${MOST_ANNOTATIONS} annotations of quaymaster.dev/`,
    ]);
  });

  it('is refused for the number of its items before their files are compared (DI01)', () => {
    const pod = podWith(templates(MOST_ITEMS + 1));
    expect(denials(pod)).toEqual([
      `quaymaster.dev/inject: the pod asks for ${MOST_ITEMS + 2} secrets and templates; the limit is ${MOST_ITEMS}`,
    ]);
  });

  it.each([
    'containers',
    'directory',
    'when-unreachable',
    'on-change-url',
    'secret-x',
    'file-x',
    'template-x',
    `file-${'x'.repeat(MOST_CHARACTERS)}`,
  ])('is refused for the characters of %s before it is parsed (DI01)', (annotation) => {
    for (const unit of [',', 'a/', '{{ secrets.x.y }}', '"', '\n']) {
      expect(denials(podWith({ [annotation]: unit.repeat(MOST_CHARACTERS) }))).toEqual([
        'quaymaster.dev/inject: the pod has more than 262144 characters in its annotations of quaymaster.dev/',
      ]);
    }
  });

  it('is refused for the number of containers that it names', () => {
    const names = (count: number) =>
      denials(podWith({ containers: Array.from({ length: count }, (_, n) => `c${n}`).join(',') }));
    expect(names(1_001)).toContain('quaymaster.dev/containers: may name 1000 at most');
    expect(names(1_000)).not.toContain('quaymaster.dev/containers: may name 1000 at most');
  });

  it('has each annotation read once, however many others it has (DI01)', async () => {
    let reads = 0;
    const annotations: Record<string, string> = {};
    for (let n = 0; n < 8_000; n += 1) {
      const get = (): string => {
        reads += 1;
        return 'x';
      };
      Object.defineProperty(annotations, `example.test/${n}`, { get, enumerable: true });
    }
    const pod = podWith({});
    const ours = { ...pod.metadata?.annotations };
    const object = { ...pod, metadata: { annotations: Object.assign(annotations, ours) } };
    const resource = { group: '', version: 'v1', resource: 'pods' };
    const request = { uid: 'u-1', operation: 'CREATE', resource, object };
    const document = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request };
    const answered = await answerReview(document, SETTINGS);
    expect(answered?.outcome).toBe('injected');
    expect(reads).toBe(8_000);
    const { patch } = (answered?.body as { response: { patch: string } }).response;
    expect(Buffer.from(patch, 'base64').toString()).not.toContain('example.test');
  });

  it('is refused for its annotations even if the inject annotation comes last', () => {
    const annotations = { ...podWith(templates(8_000)).metadata?.annotations };
    const { 'quaymaster.dev/inject': asked = '', ...rest } = annotations;
    const pod = {
      ...podWith({}),
      metadata: { annotations: { ...rest, 'quaymaster.dev/inject': asked } },
    };
    const parsed = podSchema.parse(pod);
    expect(Object.keys(parsed.metadata?.annotations ?? {})).toHaveLength(MOST_ANNOTATIONS + 2);
    expect(inject(parsed, SETTINGS).outcome).toBe('denied');
  });

  it.each<[string, (fields: object) => unknown]>([
    ['the pod', (fields) => ({ ...podWith({}), ...fields })],
    ['its metadata', (fields) => ({ ...podWith({}), metadata: fields })],
    ['its specification', (fields) => podWith({}, fields)],
    ['a container', (fields) => podWith({}, { containers: [{ name: 'app', ...fields }] })],
    [
      'a mount',
      (fields) => {
        const volumeMounts = [{ name: 'data', mountPath: '/x', ...fields }];
        return podWith({}, { containers: [{ name: 'app', volumeMounts }] });
      },
    ],
  ])('is refused with 501 fields in %s (DI01)', (_what, make) => {
    const fields = (count: number): object =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`f${n}`, n]));
    expect(podSchema.safeParse(make(fields(490))).success).toBe(true);
    expect(podSchema.safeParse(make(fields(501))).success).toBe(false);
  });

  it('is not parsed beyond its first invalid item (DI01)', () => {
    const volumeMounts = Array<object>(400).fill({ name: 1, mountPath: 1 });
    const containers = Array<object>(400).fill({ name: 1, volumeMounts });
    const spec = { containers, initContainers: containers, volumes: containers };
    expect(podSchema.safeParse({ spec }).error?.issues.length).toBeLessThan(5);
  });

  it('is answered with as many items as the limit', () => {
    const pod = injected(podWith(templates(MOST_ITEMS - 1)));
    expect(configOf(pod)['templates']).toHaveLength(MOST_ITEMS - 1);
  });

  it.each<[string, (count: number) => Pod]>([
    ['containers that all read', (count) => podWith({}, { containers: containers(count) })],
    [
      'names of readers, and as many containers',
      (count) =>
        podWith(
          {
            containers: containers(count)
              .map(({ name }) => name)
              .join(','),
          },
          { containers: containers(count) },
        ),
    ],
    [
      'slashes in the path of a mount',
      (count) => {
        const volumeMounts = [{ name: 'data', mountPath: `${'/'.repeat(count * 10)}x` }];
        return podWith({}, { containers: [{ name: 'app', volumeMounts }] });
      },
    ],
  ])('costs time linear in its length with many %s (DI01)', (_what, make) => {
    const pods = new Map([1_000, 16_000].map((count) => [count, make(count)]));
    const ratio = growthOf((count) => inject(pods.get(count)!, SETTINGS), [1_000, 16_000]);
    // Sixteen times the length: 16 times if the cost is linear, 256 times if each is compared with each.
    expect(ratio).toBeLessThan(100);
  });

  it.each([
    ['containers', (many: Container[]) => ({ containers: many })],
    ['init containers', (many: Container[]) => ({ initContainers: many })],
    ['volumes', (many: Container[]) => ({ volumes: many })],
  ])('is refused with 501 %s, and its items are not read', (_what, spec) => {
    let looked = 0;
    const item = {
      get name() {
        looked += 1;
        return 'x';
      },
    };
    expect(podSchema.safeParse(podWith({}, spec(Array<Container>(501).fill(item)))).success).toBe(
      false,
    );
    expect(looked).toBe(0);
    expect(podSchema.safeParse(podWith({}, spec(Array<Container>(500).fill(item)))).success).toBe(
      true,
    );
  });

  it('names a hundred problems, and the number of further ones', () => {
    const names = Array.from({ length: 1_000 }, (_, n) => `missing-${n}`).join(',');
    const found = denials(podWith({ containers: names }));
    expect(found).toHaveLength(101);
    expect(found.at(-1)).toBe('pod: 900 more problems');
  });

  it('does not get its long key back in the answer', () => {
    const [problem = ''] = denials(podWith({ [`x${'y'.repeat(100_000)}`]: '' }));
    expect(problem.length).toBeLessThan(400);
  });
});

function containers(count: number): Container[] {
  return Array.from({ length: count }, (_, n) => ({ name: `c${n}` }));
}
