import { createHash, createPublicKey, verify } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { publicLog } from '../../src/audit/log/public-log.ts';
import { HandClock } from '../kit/time/hand-clock.ts';
import { LogBench } from '../kit/log/log-bench.ts';
import { RunningApi } from '../kit/api/running-api.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

let bench: LogBench;
let api: RunningApi;

beforeAll(async () => {
  bench = await LogBench.open(new HandClock());
  for (let i = 0; i < 12; i++) await bench.record(...Array.from({ length: 64 }, () => ({})));
  await bench.integrate();
  api = await RunningApi.start();
});
afterAll(async () => {
  await api.stop();
  await bench.remove();
});

function serve(isPublic: boolean, isWitnessed = false): void {
  const log = isPublic ? publicLog(bench.reader, isWitnessed) : undefined;
  Object.assign(api.broker.parts, { publicLog: log });
}

async function get(path: string): Promise<Response> {
  return fetch(`http://127.0.0.1:${api.port}${path}`);
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  return parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
}

/** RFC 6962 section 2.1, from leaf hashes, with nothing of the broker's code. */
function rootOf(hashes: readonly Buffer[]): Buffer {
  if (hashes.length === 1) return hashes[0]!;
  let half = 1;
  while (half * 2 < hashes.length) half *= 2;
  return sha256(Buffer.of(1), rootOf(hashes.slice(0, half)), rootOf(hashes.slice(half)));
}

function split(bytes: Buffer): readonly Buffer[] {
  return Array.from({ length: bytes.length / 32 }, (_, i) => bytes.subarray(i * 32, i * 32 + 32));
}

describe('public tiles', () => {
  it('are the tree of the checkpoint, by a reader of the specifications alone', async () => {
    serve(true);
    const answer = await get('/checkpoint');
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const [text = '', signatures = ''] = (await answer.text()).split('\n\n');
    const [origin, size = '', root] = text.split('\n');
    const [, name, encoded = ''] = signatures.split('\n')[0]!.split(' ');
    expect(name).toBe(origin);
    const spki = Buffer.from('302a300506032b6570032100', 'hex');
    const raw = Buffer.from(bench.log.signer.key.publicKey);
    const key = createPublicKey({ key: Buffer.concat([spki, raw]), format: 'der', type: 'spki' });
    const signature = Buffer.from(encoded, 'base64').subarray(4);
    expect(verify(null, Buffer.from(`${text}\n`), key, signature)).toBe(true);

    expect(size).toBe('769');
    const tiles = await Promise.all(
      ['000', '001', '002', '003.p/1'].map(async (tile) => {
        return Buffer.from(await (await get(`/tile/0/${tile}`)).arrayBuffer());
      }),
    );
    const leaves = tiles.flatMap(split);
    expect(leaves).toHaveLength(769);
    expect(rootOf(leaves).toString('base64')).toBe(root);
    const upper = Buffer.from(await (await get('/tile/1/000.p/3')).arrayBuffer());
    expect(split(upper)).toEqual(tiles.slice(0, 3).map((tile) => rootOf(split(tile))));
  });

  it('are cached for ever if they are full, and for an hour if they are partial', async () => {
    serve(true);
    const caching = async (path: string) => (await get(path)).headers.get('cache-control');
    expect(await caching('/tile/0/000')).toBe('public, max-age=31536000, immutable');
    expect(await caching('/tile/0/003.p/1')).toBe('public, max-age=3600');
    expect((await get('/tile/0/000')).headers.get('content-type')).toBe('application/octet-stream');
  });

  it.each([
    '/tile/entries/000',
    '/tile/entries/003.p/1',
    '/tile/0/003',
    '/tile/0/003.p/2',
    '/tile/0/0',
    '/tile/0/004.p/1',
    '/tile/2/000.p/1',
    '/tile/-2/000',
    '/tile/0/000.p/256',
    '/tile/7/000',
    '/tile/',
  ])('do not include %s', async (path) => {
    serve(true);
    const answer = await get(path);
    expect(answer.status).toBe(404);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('are absent, like any unknown path, unless the configuration makes them public', async () => {
    serve(false);
    const problem = async (path: string) => {
      const answer = await get(path);
      const body = { ...((await answer.json()) as object), requestId: '' };
      return { status: answer.status, type: answer.headers.get('content-type'), body };
    };
    const unknown = await problem('/nothing/here');
    expect(unknown.status).toBe(404);
    for (const path of ['/checkpoint', '/tile/0/000', '/tile/entries/000'])
      expect(await problem(path)).toEqual(unknown);
  });

  it('add no entry to the log', async () => {
    serve(true);
    const before = (await storedEntries(api.broker.parts.store)).length;
    for (const path of ['/checkpoint', '/tile/0/000', '/tile/0/003.p/1'])
      expect((await get(path)).status).toBe(200);
    expect(await storedEntries(api.broker.parts.store)).toHaveLength(before);
  });

  it('wait for the first cosigned checkpoint if the log has witnesses', async () => {
    serve(true, true);
    expect((await get('/checkpoint')).status).toBe(404);
  });

  it('cost a place in the request rate of the network', async () => {
    serve(true);
    const strict = await RunningApi.start({
      limits: { addressRate: { perSecond: 0.001, burst: 2 } },
    });
    Object.assign(strict.broker.parts, { publicLog: publicLog(bench.reader, false) });
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++)
      statuses.push((await fetch(`http://127.0.0.1:${strict.port}/tile/0/000`)).status);
    await strict.stop();
    expect(statuses).toContain(429);
  });
});
