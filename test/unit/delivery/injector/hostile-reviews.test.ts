import { describe, expect, it } from '@jest/globals';
import { inject } from '../../../../src/delivery/injector/inject.ts';
import { MOST_ANNOTATIONS, MOST_ITEMS } from '../../../../src/delivery/injector/annotations.ts';
import { podSchema, type Container, type Pod } from '../../../../src/delivery/injector/pod.ts';
import { configOf, denials, injected, podWith, SETTINGS } from '../../../kit/pods.ts';

/** `count` templates: each is an item with a file, and no two files may meet. */
function templates(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`template-t${n}`, '']));
}

function milliseconds(work: () => unknown): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

/** The fastest of a few runs: the machine may be busy. */
function fastest(work: () => unknown): number {
  return Math.min(...[1, 2, 3, 4, 5].map(() => milliseconds(work)));
}

describe('a review that is made to cost much', () => {
  it('is refused for the number of its annotations before any of them is parsed', () => {
    const pod = podWith(templates(8_000));
    expect(denials(pod)).toEqual([
      `quaymaster.dev/inject: the pod has 8002 annotations of quaymaster.dev/; the limit is ${MOST_ANNOTATIONS}`,
    ]);
  });

  it('is refused for the number of its items before their files are compared', () => {
    const pod = podWith(templates(MOST_ITEMS + 1));
    expect(denials(pod)).toEqual([
      `quaymaster.dev/inject: the pod asks for ${MOST_ITEMS + 2} secrets and templates; the limit is ${MOST_ITEMS}`,
    ]);
  });

  it('may ask for as many items as the limit says', () => {
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
  ])('costs what its length costs with many %s', (_what, make) => {
    const few = make(1_000);
    const many = make(16_000);
    const ratio = fastest(() => inject(many, SETTINGS)) / fastest(() => inject(few, SETTINGS));
    // Sixteen times the length: 16 where the cost is that of the length, 256 where each is compared with each.
    expect(ratio).toBeLessThan(100);
  });

  it.each([
    ['containers', (many: Container[]) => ({ containers: many })],
    ['init containers', (many: Container[]) => ({ initContainers: many })],
    ['volumes', (many: Container[]) => ({ volumes: many })],
  ])('is not understood with 501 %s, and its items are not looked at', (_what, spec) => {
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

  it('names a hundred problems, and how many more there are', () => {
    const names = Array.from({ length: 5_000 }, (_, n) => `missing-${n}`).join(',');
    const found = denials(podWith({ containers: names }));
    expect(found).toHaveLength(101);
    expect(found.at(-1)).toBe('pod: 4900 more problems');
  });

  it('does not get its long key back in the answer', () => {
    const [problem = ''] = denials(podWith({ [`x${'y'.repeat(100_000)}`]: '' }));
    expect(problem.length).toBeLessThan(400);
  });
});

function containers(count: number): Container[] {
  return Array.from({ length: count }, (_, n) => ({ name: `c${n}` }));
}
