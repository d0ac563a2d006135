import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { describeWith } from '../kit/backends/backends.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

interface Ref {
  readonly key: string;
  readonly property?: string;
  readonly version?: string;
  /** All keys, as by `dataFrom.extract`. */
  readonly whole?: boolean;
}

interface Store {
  readonly spec: {
    readonly provider: { readonly webhook: { readonly url: string; readonly result: object } };
  };
}

/** The objects of docs/external-secrets.md, in its order. */
function documented(): readonly object[] {
  const page = readFileSync('docs/external-secrets.md', 'utf8');
  return [...page.matchAll(/```yaml\n([^]*?)```/g)].map(([, yaml = '']) => load(yaml) as object);
}

describeWith(['goprograms'], 'External Secrets Operator', ({ goprograms }) => {
  const program = join(goprograms.program, 'external-secrets');
  let broker: PreparedBroker;
  let token: string;

  beforeAll(async () => {
    broker = await PreparedBroker.start({
      documents: {
        '/mounts/payments': { prefix: 'payments', connection: 'embedded' },
        '/operators/eso-payments': { grants: [{ role: 'secret-reader', scope: ['payments'] }] },
      },
    });
    await broker.write('payments/db', { user: 'app', password: 'first' });
    await broker.write('own/other', { password: 'of another team' });
    const { json } = await broker.installation.call(
      'POST',
      '/api/v1/operators/eso-payments/tokens',
      {
        token: broker.operator,
        body: { ttl: '1h' },
      },
    );
    token = String(json['token']);
  });
  afterAll(() => broker.installation.remove());

  /** The provider's result for the store and the Secret of the page. */
  async function asked(refs: readonly Ref[], with_: { token?: string; path?: string } = {}) {
    const [secret, store] = documented() as [object, Store];
    const webhook = { ...store.spec.provider.webhook, caProvider: undefined };
    const url = webhook.url.replace(/^https:\/\/[^/]+/, broker.installation.url);
    const result = with_.path === undefined ? webhook.result : { jsonPath: with_.path };
    const data = { token: Buffer.from(with_.token ?? token).toString('base64') };
    const input = {
      store: { ...store, spec: { provider: { webhook: { ...webhook, url, result } } } },
      secret: { ...secret, stringData: undefined, data },
      refs,
    };
    const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.end(JSON.stringify(input));
    const [lines, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
    expect(code).toBe(0);
    const outcomes = lines.trim().split('\n');
    return outcomes.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  const DB = 'payments/db';

  it('reads one key, all keys as JSON, and a version, by the store of the page', async () => {
    const refs = [{ key: DB, property: 'password' }, { key: DB }, { key: DB, version: '1' }];
    const [one, all, first] = await asked(refs);
    expect(one).toEqual({ key: DB, value: 'first', gone: false });
    expect(JSON.parse(String(all!['value']))).toEqual({ user: 'app', password: 'first' });
    expect(JSON.parse(String(first!['value']))).toEqual({ user: 'app', password: 'first' });
  });

  it('reads every key unchanged by the second store', async () => {
    const [whole] = await asked([{ key: DB, whole: true }], { path: '$.data' });
    expect(whole).toMatchObject({ value: { user: 'app', password: 'first' }, gone: false });
  });

  it('keeps its Secret when it is denied, whether the path exists or not', async () => {
    const outcomes = await asked([{ key: 'own/other' }, { key: 'own/absent' }, { key: 'nowhere' }]);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ gone: false, error: expect.stringContaining('403') });
    }
  });

  it('keeps its Secret when its token is not accepted', async () => {
    const [outcome] = await asked([{ key: DB }], { token: `qmo_${'A'.repeat(49)}` });
    expect(outcome).toMatchObject({ gone: false, error: expect.stringContaining('401') });
  });

  it('treats a secret as deleted only if it may read the path and the secret is absent', async () => {
    const [outcome] = await asked([{ key: 'payments/absent' }]);
    expect(outcome).toEqual({ key: 'payments/absent', gone: true });
  });

  it('keeps its Secret while the broker is unreachable', async () => {
    await broker.installation.stop();
    const [outcome] = await asked([{ key: DB }]);
    expect(outcome).toMatchObject({ gone: false, error: expect.stringContaining('refused') });
    await broker.installation.start();
    expect(await asked([{ key: DB, property: 'user' }])).toMatchObject([{ value: 'app' }]);
  });
});
