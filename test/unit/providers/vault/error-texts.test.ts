import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { inspect } from 'node:util';
import { createLog } from '../../../../src/process/log.ts';
import type { SecretProvider } from '../../../../src/ports/secret-provider.ts';
import { contextOf, failureOf } from '../../../contract/secret-provider.contract.ts';
import { FakeVault } from '../../../kit/fakes/fake-vault.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { VaultConnections } from '../../../kit/providers/vault-connections.ts';

const CANARY = 'canary-7d20';
const errors = [`permission denied: ${CANARY}`];

let vault: FakeVault;
let connections: VaultConnections;
let provider: SecretProvider;

beforeEach(async () => {
  vault = await FakeVault.start();
  connections = await VaultConnections.create();
  const connection = await connections.connect(vault.address, 's.broker');
  provider = connection.mount({ engine: 'kv-v2', path: 'secret' });
});
afterEach(async () => {
  await connections.close();
  await vault.close();
});

/** The broker's log line of an error, and the output of anything that inspects the error. */
function printed(error: unknown): string {
  let text = inspect(error, { depth: 20, showHidden: true });
  const destination = { write: (line: string) => void (text += line) };
  createLog({ level: 'trace', clock: new HandClock(), destination }).error(
    { err: error },
    'failed',
  );
  return text;
}

describe('the text of an error from Vault', () => {
  it.each<[string, number, unknown, Record<string, string>]>([
    ['400 with a list of errors', 400, { errors }, {}],
    ['403 with a list of errors', 403, { errors }, {}],
    ['404 with warnings', 404, { errors: [], warnings: errors }, {}],
    ['405', 405, { errors }, {}],
    ['412', 412, { errors }, {}],
    ['429 with a header', 429, { errors }, { 'Retry-After': CANARY }],
    ['472', 472, { errors }, {}],
    ['500 with nested errors', 500, { errors: [{ message: CANARY }] }, {}],
    ['502 of a proxy', 502, `<html>${CANARY}</html>`, { 'Content-Type': 'text/html' }],
    ['503 with a text in place of a list', 503, { errors: CANARY }, {}],
    ['a redirect', 307, {}, { Location: `https://${CANARY}.example/` }],
    ['200 that is not JSON', 200, `{"data": ${CANARY}`, {}],
    ['200 with data of the wrong type', 200, { data: CANARY }, {}],
    ['200 with data of the wrong shape', 200, { data: { data: { k: [CANARY] } } }, {}],
    ['a challenge', 401, { errors }, { 'WWW-Authenticate': `Basic realm="${CANARY}"` }],
  ])('appears in no error and in no log: %s', async (_what, status, body, headers) => {
    vault.fault = (_seen, response) => {
      response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
      return 'handled';
    };
    for (const ask of [
      () => provider.read(provider.locate('db'), undefined, contextOf()),
      () => provider.list('', { limit: 10 }, contextOf()),
    ]) {
      const failure = await failureOf(ask()).catch(() => undefined);
      if (failure !== undefined) expect(printed(failure)).not.toContain(CANARY);
    }
    expect((await provider.check(contextOf())).findings.join('\n')).not.toContain(CANARY);
  });
});
