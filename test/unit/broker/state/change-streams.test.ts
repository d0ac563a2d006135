import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { AnnouncedChange, ChangeEvent } from '../../../../src/domain/changes/change-event.ts';
import type { EventSink } from '../../../../src/broker/state/change-streams.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';

/** Everything that one stream delivers. */
class Received implements EventSink<ChangeEvent> {
  readonly all: (ChangeEvent | 'beat' | 'end')[] = [];
  isSlow = false;

  send(event: ChangeEvent): boolean {
    this.all.push(event);
    return !this.isSlow;
  }

  beat(): void {
    this.all.push('beat');
  }

  end(): void {
    this.all.push('end');
  }
}

let broker: TestBroker;
beforeEach(async () => {
  broker = await TestBroker.open();
  await broker.seed();
});
afterEach(async () => {
  broker.parts.changes.close();
  await broker.close();
});

function start(
  visible = (changes: readonly AnnouncedChange[]): readonly AnnouncedChange[] | undefined =>
    changes,
): Received {
  const received = new Received();
  broker.parts.changes.start({
    sink: received,
    visible: (changes) => Promise.resolve(visible(changes)),
  });
  return received;
}

async function settle(): Promise<void> {
  for (let turns = 0; turns < 50; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function change(...invalidates: readonly string[]): Promise<void> {
  await broker.store.real.commit({ writes: [], invalidates });
  await settle();
}

/** Lets the time pass in which changes are collected. */
async function collected(): Promise<void> {
  broker.clock.advance(200);
  await settle();
}

describe('the changes of a stream', () => {
  it('are collected, and each is named once', async () => {
    const received = start();
    await change(
      'secret:a',
      'canary:a',
      'rotation:a',
      'leases:ses_1',
      'leases:ses_2',
      'policies:all',
    );
    await change('secret:a');
    expect(received.all).toEqual([{ type: 'ready' }]);
    await collected();
    expect(received.all.slice(1)).toEqual([
      {
        type: 'changed',
        changes: [{ kind: 'secret', id: 'a' }, { kind: 'rotation', id: 'a' }, { kind: 'lease' }],
      },
    ]);
  });

  it('are a reset if there are more than 1,000, and nothing if none is visible', async () => {
    const [all, none] = [start(), start(() => [])];
    await change('secret:a');
    await collected();
    expect(none.all).toEqual([{ type: 'ready' }]);
    await change(...Array.from({ length: 1_001 }, (_, index) => `secret:${index}`));
    await collected();
    expect(all.all.at(-1)).toEqual({ type: 'reset' });
  });
});

describe('a stream of changes', () => {
  it('ends for a slow receiver, and at a heartbeat after its token expired', async () => {
    let isOver = false;
    const [slow, expired] = [start(), start((changes) => (isOver ? undefined : changes))];
    slow.isSlow = true;
    await change('secret:a');
    await collected();
    expect(slow.all.at(-1)).toBe('end');
    isOver = true;
    broker.clock.advance(15_000);
    await settle();
    expect(expired.all.slice(-3)).toEqual(['beat', { type: 'token.ended' }, 'end']);
  });
});
