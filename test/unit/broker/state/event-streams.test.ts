import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { followEvents } from '../../../../src/broker/events/follow-events.ts';
import type { EventSink } from '../../../../src/broker/state/change-streams.ts';
import type { BrokerEvent } from '../../../../src/domain/secrets/broker-event.ts';
import type { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import { codeOf, TestBroker } from '../../../kit/broker/test-broker.ts';

/** Everything that one stream delivers: the types of events, `beat` and `end`. */
class Received implements EventSink<BrokerEvent> {
  readonly all: string[] = [];
  isSlow = false;

  send({ type }: { readonly type: string }): boolean {
    this.all.push(type);
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
let live: LiveSession;
beforeEach(async () => {
  broker = await TestBroker.open({ eventStreams: 3 });
  await broker.seed();
  live = await broker.logIn();
});
afterEach(async () => broker.close());

async function follow(session = live): Promise<{ received: Received; close: () => void }> {
  const received = new Received();
  const feed = await followEvents(broker.parts, broker.call(), session, undefined);
  const close = feed.start(received);
  await settle();
  return { received, close };
}

async function settle(): Promise<void> {
  for (let turns = 0; turns < 50; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('an idle stream', () => {
  it('sends a heartbeat every 15 seconds while it is open', async () => {
    const { received, close } = await follow();
    broker.clock.advance(14_999);
    expect(received.all).toEqual(['ready']);
    broker.clock.advance(1);
    expect(received.all).toEqual(['ready', 'beat']);
    await settle();
    broker.clock.advance(30_000);
    expect(received.all).toEqual(['ready', 'beat', 'beat', 'beat']);
    close();
    broker.clock.advance(60_000);
    await settle();
    expect(received.all).toHaveLength(4);
  });

  it('closes at the first heartbeat after its session expired, which no change reports', async () => {
    const { received } = await follow();
    broker.clock.advance(live.session.endsAt - broker.clock.now() + 15_000);
    await settle();
    expect(received.all.slice(-2)).toEqual(['session.ended', 'end']);
  });
});

describe('a stream with a slow receiver', () => {
  it('is closed and frees its place', async () => {
    const { received } = await follow();
    received.isSlow = true;
    await broker.store.real.commit({ writes: [], invalidates: [`leases:${live.session.id}`] });
    await settle();
    expect(received.all).toEqual(['ready', 'leases.changed', 'end']);
    expect(broker.parts.events.open).toBe(0);
  });
});

describe('all streams together', () => {
  it('are limited in number, and each pod is limited to four', async () => {
    const pods = await Promise.all(
      ['a', 'b'].map((pod) => broker.logIn({ pod: { name: pod, uid: pod } })),
    );
    const [first] = [await follow(pods[0]), await follow(pods[0]), await follow(pods[1])];
    expect(await codeOf(follow(pods[1]))).toBe('ERR_RATE_LIMITED');
    first.close();
    expect((await follow(pods[1])).received.all).toEqual(['ready']);
  });
});
