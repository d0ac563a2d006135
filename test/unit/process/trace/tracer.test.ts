import { beforeEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from '../../../../src/crypto/random/random.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { traceHeader } from '../../../../src/net/https/trace-header.ts';
import type { TracedRequest } from '../../../../src/ports/trace.ts';
import type { Span } from '../../../../src/process/trace/otlp.ts';
import { Tracer } from '../../../../src/process/trace/tracer.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const REQUEST: TracedRequest = {
  method: 'GET',
  route: '/api/v1/secrets/{path}',
  path: '/api/v1/secrets/shop/db',
  requestId: 'req_1',
  traceparent: undefined,
};

let clock: HandClock;
let spans: Span[];

beforeEach(() => {
  clock = new HandClock();
  spans = [];
});

function tracer({ ratio = 1, paths = false } = {}): Tracer {
  const random = { bytes: randomBytes };
  return new Tracer({ ratio, paths, clock, random, onSpan: (span) => spans.push(span) });
}

describe('a traced request', () => {
  it('has a span, and one for each part below the part that began it', async () => {
    const traces = tracer();
    const status = await traces.request(REQUEST, async () => {
      await traces.part('decide', async () => {
        clock.advance(2);
        const call = (): Promise<void> => {
          clock.advance(5);
          return Promise.resolve();
        };
        await traces.part('call', call, 'vault-a');
      });
      traces.part('commit', () => {
        clock.advance(1);
      });
      return 200;
    });
    const [call, decide, commit, request] = spans;
    expect(status).toBe(200);
    expect(spans.map(({ name }) => name)).toEqual([
      'call',
      'decide',
      'commit',
      'GET /api/v1/secrets/{path}',
    ]);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
    expect(call?.parentId).toBe(decide?.spanId);
    expect([decide?.parentId, commit?.parentId]).toEqual([request?.spanId, request?.spanId]);
    expect(request?.parentId).toBeUndefined();
    expect(spans.map(({ startedAt, endedAt }) => endedAt - startedAt)).toEqual([5, 7, 1, 8]);
    expect(call).toMatchObject({ kind: 3, attributes: { 'quaymaster.connection': 'vault-a' } });
  });

  it('has no path, unless the configuration asks for it', async () => {
    await tracer().request(REQUEST, () => Promise.resolve(200));
    await tracer({ paths: true }).request(REQUEST, () => Promise.resolve(200));
    const [without, withPath] = spans;
    expect(JSON.stringify(without)).not.toContain('shop');
    expect(withPath?.attributes).toMatchObject({ 'url.path': REQUEST.path });
  });

  it('keeps a long path short', async () => {
    const path = `/api/v1/secrets/${'x'.repeat(9000)}`;
    await tracer({ paths: true }).request({ ...REQUEST, path }, () => Promise.resolve(404));
    expect(JSON.stringify(spans).length).toBeLessThan(1000);
  });

  it('marks a failed part with the code of its error, and throws that error', async () => {
    const traces = tracer();
    const failure = new BrokerError('ERR_PROVIDER_TIMEOUT');
    const failing = traces.request(REQUEST, () =>
      traces.part('call', () => Promise.reject(failure)).then(() => 200),
    );
    await expect(failing).rejects.toBe(failure);
    expect(spans).toMatchObject([
      { hasFailed: true, attributes: { 'error.type': 'ERR_PROVIDER_TIMEOUT' } },
    ]);
    expect(() =>
      traces.part('decide', () => {
        throw failure;
      }),
    ).toThrow(failure);
  });

  it('has failed if its status is a server error', async () => {
    for (const status of [404, 503]) await tracer().request(REQUEST, () => Promise.resolve(status));
    expect(spans.map(({ hasFailed }) => hasFailed)).toEqual([false, true]);
  });

  it('ends without changing what a jump of the wall clock does', async () => {
    await tracer().request(REQUEST, () => {
      clock.advance(3);
      clock.setWall(0);
      return Promise.resolve(200);
    });
    expect(spans.map(({ startedAt, endedAt }) => endedAt - startedAt)).toEqual([3]);
  });
});

describe('the trace of a caller', () => {
  const traceparent = `00-${TRACE}-${SPAN}-01`;

  it('continues in the broker and in the systems that it calls', async () => {
    const traces = tracer();
    let sent: string | undefined;
    await traces.request({ ...REQUEST, traceparent }, async () => {
      await traces.part('call', () => {
        sent = traceHeader.current?.();
        return Promise.resolve();
      });
      return 200;
    });
    const [call, request] = spans;
    expect(request).toMatchObject({ traceId: TRACE, parentId: SPAN, isParentRemote: true });
    expect(sent).toBe(`00-${TRACE}-${call?.spanId}-01`);
  });

  it('is not recorded if the caller says so', async () => {
    const traces = tracer();
    let sent: string | undefined = 'unset';
    const quiet = { ...REQUEST, traceparent: `00-${TRACE}-${SPAN}-00` };
    await traces.request(quiet, () => {
      sent = traceHeader.current?.();
      return traces.part('call', () => Promise.resolve(200));
    });
    expect([spans, sent]).toEqual([[], undefined]);
  });

  it('is not recorded above the ratio, whatever the caller asks for', async () => {
    await tracer({ ratio: 0.05 }).request({ ...REQUEST, traceparent }, () => Promise.resolve(200));
    expect(spans).toEqual([]);
    const high = `00-${TRACE.slice(0, 18)}${'f'.repeat(14)}-${SPAN}-01`;
    await tracer({ ratio: 0.05 }).request({ ...REQUEST, traceparent: high }, () =>
      Promise.resolve(200),
    );
    expect(spans).toHaveLength(1);
  });
});

describe('sampling', () => {
  it('records the configured share of traces', async () => {
    const traces = tracer({ ratio: 0.25 });
    for (let index = 0; index < 2000; index += 1) {
      await traces.request(REQUEST, () => Promise.resolve(200));
    }
    expect(spans.length / 2000).toBeGreaterThan(0.2);
    expect(spans.length / 2000).toBeLessThan(0.3);
  });

  it.each([
    [0, 0],
    [1, 100],
  ])('records, with a ratio of %d, %d of 100', async (ratio, count) => {
    const traces = tracer({ ratio });
    for (let index = 0; index < 100; index += 1) {
      await traces.request(REQUEST, () => Promise.resolve(200));
    }
    expect(spans).toHaveLength(count);
  });
});

it('work that outlives its request belongs to no trace', async () => {
  const traces = tracer();
  const { promise: over, resolve } = Promise.withResolvers<undefined>();
  let late: Promise<string | undefined> = Promise.resolve(undefined);
  await traces.request(REQUEST, () => {
    late = over.then(() => traces.part('call', () => traceHeader.current?.()));
    return Promise.resolve(200);
  });
  resolve(undefined);
  expect(await late).toBeUndefined();
  expect(spans.map(({ name }) => name)).toEqual(['GET /api/v1/secrets/{path}']);
});

it('a part outside a request only runs', () => {
  expect(tracer().part('commit', () => 7)).toBe(7);
  expect(spans).toEqual([]);
});
