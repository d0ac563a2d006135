import { describe, expect, it } from '@jest/globals';
import { EndedPodMemory } from '../../../../src/auth/pod-watch/ended-pods.ts';

const HOUR_MS = 3_600_000;

function memoryAt(start: number): { memory: EndedPodMemory; clock: { at: number } } {
  const clock = { at: start };
  return { memory: new EndedPodMemory({ now: () => clock.at }), clock };
}

function ended(
  uid: string,
  endedAt: number,
  more: object = {},
): Parameters<EndedPodMemory['remember']>[0] {
  const [namespace = ''] = uid.split('/');
  const facts = { state: 'ended', labels: new Map(), manifest: undefined, containers: [] } as const;
  return { ...facts, uid, namespace, name: uid, endedAt, ...more };
}

describe('the memory of ended pods', () => {
  it('finds a pod by its UID, a container and its name for six hours', () => {
    const { memory, clock } = memoryAt(0);
    memory.remember(ended('shop/a', 0, { name: 'web-0', containers: ['0123456789ab'] }));
    clock.at = 6 * HOUR_MS - 1;
    expect(memory.find('shop/a')).toMatchObject({ uid: 'shop/a', endedAt: 0 });
    expect(memory.uidOfContainer('0123456789abcdef')).toBe('shop/a');
    expect(memory.named('shop', 'web-0')).toMatchObject([{ uid: 'shop/a' }]);
    clock.at = 6 * HOUR_MS;
    expect(memory.find('shop/a')).toBeUndefined();
    expect(memory.named('shop', 'web-0')).toEqual([]);
  });

  it('finds no pod by the digits of a container that two pods had', () => {
    const { memory } = memoryAt(0);
    memory.remember(ended('shop/a', 0, { containers: ['0123456789ab'] }));
    memory.remember(ended('shop/b', 0, { containers: ['0123456789ab'] }));
    expect(memory.uidOfContainer('0123456789ab')).toBeUndefined();
  });

  it('forgets the pods of the namespace with the most of them if it is full', () => {
    const { memory } = memoryAt(0);
    memory.remember(ended('victim/a', 0));
    for (let each = 0; each < 20_000; each += 1) memory.remember(ended(`noise/${each}`, 0));
    expect(memory.find('victim/a')).toBeDefined();
    expect(memory.find('noise/0')).toBeUndefined();
    expect(memory.find('noise/19999')).toBeDefined();
  });

  it('keeps no large manifest', () => {
    const { memory } = memoryAt(0);
    const manifest = (bytes: number): object => ({ manifest: { bytes, read: () => ({}) } });
    memory.remember(ended('shop/small', 0, manifest(4_096)));
    memory.remember(ended('shop/large', 0, manifest(4_097)));
    expect(memory.find('shop/small')?.manifest).toBeDefined();
    expect(memory.find('shop/large')?.manifest).toBeUndefined();
  });
});
