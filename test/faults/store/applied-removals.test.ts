import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { dump } from 'js-yaml';
import { bearer, BrokerClient } from '../../../src/client/index.ts';
import { runAuditExport } from '../../../src/program/verbs/audit-export.ts';
import { runRelease, type ReleaseOptions } from '../../../src/program/verbs/release.ts';
import type { RunningBroker } from '../../../src/program/broker/broker.ts';
import type { Serving } from '../../../src/program/serving/serve.ts';
import type { OperatorToken } from '../../../src/broker/state/operator-token-memory.ts';
import { syslogFrame } from '../../../src/audit/sinks/syslog-message.ts';
import { newerExport } from '../../../src/program/restore/lost-changes.ts';
import { logIdentity } from '../../../src/audit/records/log-identity.ts';
import { beginLog } from '../../../src/program/log/audit-trail.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { policy } from '../../kit/api/running-api.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';

const PERSON = 'oidc:corp/alice';
const SUSPECT = 'oidc:corp/mallory';

let own: AttackedInstallation;
let admin: string;
let adaToken: string;
let adaTokenId: string;

async function ask(serving: Serving, method: string, path: string, body?: object) {
  const url = `${serving.url}/api/v1${path}`;
  const authorization = `Bearer ${admin}`;
  const known = method === 'DELETE' ? await fetch(url, { headers: { authorization } }) : undefined;
  const response = await fetch(url, {
    method,
    headers: {
      authorization,
      'content-type': 'application/json',
      ...(method === 'PUT' && { 'if-none-match': '*' }),
      ...(known !== undefined && { 'if-match': known.headers.get('etag') ?? '' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${text}`);
  return text;
}

const statusOf = async (serving: Serving, token: string): Promise<number> => {
  const headers = { authorization: `Bearer ${token}` };
  return (await fetch(`${serving.url}/api/v1/policies`, { headers })).status;
};

/** The session of a person, as a login leaves it. */
async function logIn({ parts }: RunningBroker): Promise<void> {
  const now = Date.now();
  const token: OperatorToken = {
    id: 'tok_alice',
    operator: PERSON,
    operatorUid: PERSON,
    spec: { sourceCidrs: [], minters: [], description: 'login' },
    createdAt: now,
    endsAt: now + 3_600_000,
  };
  const put = parts.tokens.rowOf(token, parts.tokens.hash('a text without a holder'));
  await parts.store.commit({ writes: [{ table: 'operator_tokens', put }] });
}

/** Serves, changes what a backup has, serves again, and loses the store: only a copy of before is left. */
beforeEach(async () => {
  own = await AttackedInstallation.make((directory) => ({
    audit: { sinks: [{ type: 'file', path: `${directory}/sink.jsonl` }] },
    connections: { fleet: { type: 'enrolled', hosts: ['127.0.0.0/8'] } },
  }));
  admin = await own.init();
  const first = await own.serve();
  await ask(first, 'PUT', '/policies/p1', policy('p1', ['team/**'], ['read']));
  await ask(first, 'PUT', '/operators/ada', { grants: [{ role: 'auditor' }] });
  const made = JSON.parse(
    await ask(first, 'POST', '/operators/ada/tokens', { ttl: '30m', description: 'x' }),
  ) as { readonly token: string; readonly id: string };
  [adaToken, adaTokenId] = [made.token, made.id];
  await logIn(first.broker);
  await ask(first, 'PUT', '/clusters/east', {
    connection: 'fleet',
    issuer: 'https://issuer.test',
    audiences: ['a'],
    apiServer: { url: 'https://127.0.0.1:6443' },
  });
  await ask(first, 'POST', '/clusters/east:enroll');
  await first.stop('test');
  own.copyStore('older');

  const second = await own.serve();
  await ask(second, 'DELETE', '/policies/p1');
  await ask(second, 'DELETE', `/operators/ada/tokens/${adaTokenId}`);
  await ask(second, 'POST', '/quarantines', {
    kind: 'operator',
    operator: SUSPECT,
    reason: 'stolen',
  });
  await second.broker.trail.integrator.integrate();
  const broker = new BrokerClient({ url: second.url }).as(bearer(admin));
  await runAuditExport(own.at('export'), { broker }, { progress: () => undefined });
  broker.close();
  await second.stop('test');
  await copyFile(own.at('store/quaymaster.db'), own.at('newer.db'));
  own.restoreStore('older');
  await keepAsReceivers();
});

/** The entries of the file sink, as the receivers of network sinks write them to their files. */
async function keepAsReceivers(): Promise<void> {
  const lines = (await readFile(own.at('sink.jsonl'), 'utf8')).trimEnd().split('\n');
  let next = 0;
  const entries = lines.flatMap((line) => {
    const head = /^\{"delivery":\{"firstIndex":(\d+)/.exec(line);
    if (head !== null) next = Number(head[1]);
    return head === null ? [{ index: next++, entry: line }] : [];
  });
  const http = entries.map(({ index, entry }) => `{"index":${index},"entry":${entry}}`);
  await writeFile(own.at('http.ndjson'), `${http.join('\n')}\n`);
  const syslog = entries.map(({ index, entry }) => {
    const sent = { origin: own.config.audit.origin, index, entry, text: entry, host: 'q-0' };
    const frame = syslogFrame(sent).toString();
    return frame.slice(frame.indexOf(' ') + 1);
  });
  await writeFile(own.at('syslog.log'), `${syslog.join('\n')}\n`);
}
afterEach(() => own.remove());

async function release(more: Partial<ReleaseOptions>): Promise<string> {
  const path = own.at('config.yaml');
  await writeFile(path, dump(own.config), { mode: 0o600 });
  return runRelease({ config: path, comment: 'the disk was lost', ...more });
}

async function expectApplied(): Promise<void> {
  const serving = await own.serve();
  try {
    expect(serving.broker.unready()).toEqual([]);
    expect(serving.broker.warnings()).toEqual([]);
    expect(await statusOf(serving, adaToken)).toBe(401);
    expect(JSON.parse(await ask(serving, 'GET', '/policies'))).toMatchObject({ items: [] });
    const { quarantines } = serving.broker.parts;
    expect(quarantines.inForce()).toMatchObject([
      { kind: 'operator', subject: SUSPECT, reason: 'stolen', createdBy: 'bootstrap' },
    ]);
    const { store } = serving.broker.parts;
    expect(await store.get('operator_tokens', { id: 'tok_alice' })).toBeUndefined();
    expect(await store.get('enrolments', { cluster: 'east' })).toBeUndefined();
  } finally {
    await serving.stop('test');
  }
}

describe('a release after a restore (BR01)', () => {
  it('resurrects what a newer log removed, unless it is applied', async () => {
    await release({});
    const serving = await own.serve();
    // The auditor is known, and may not list policies.
    expect(await statusOf(serving, adaToken)).toBe(403);
    expect(JSON.parse(await ask(serving, 'GET', '/quarantines'))).toMatchObject({ items: [] });
    await serving.stop('test');
  });

  it('ends the sessions of people', async () => {
    const text = await release({});
    expect(text).toMatch(/further sessions of people: 1, of which the store has 1\n {4}tok_alice/);
    const broker = await own.open();
    expect(await broker.parts.store.get('operator_tokens', { id: 'tok_alice' })).toBeUndefined();
    await broker.close('test');
  });

  it('keeps the sessions of people if asked to', async () => {
    const text = await release({ keepLogins: true });
    expect(text).toMatch(
      /removed by this release:\n {2}enrolments of clusters ended: 1, .*\n {4}east$/,
    );
    const broker = await own.open();
    expect(await broker.parts.store.get('operator_tokens', { id: 'tok_alice' })).toBeDefined();
    await broker.close('test');
  });

  it.each([
    ['an export', 'export'],
    ['the replaced store', 'newer.db'],
    ['the file of a sink', 'sink.jsonl'],
    ['the requests that the receiver of an HTTP sink kept', 'http.ndjson'],
    ['the messages that a syslog server kept', 'syslog.log'],
  ])(
    'applies what %s proves, after its plan, and before a caller is served',
    async (_what, source) => {
      const applyRemovals = own.at(source);
      const plan = await release({ applyRemovals });
      expect(plan).toMatch(/documents deleted: 1, of which the store has 1\n {4}policy\/p1/);
      expect(plan).toContain(
        `operator tokens revoked: 1, of which the store has 1\n    ${adaTokenId}`,
      );
      expect(plan).toContain(`quarantines: 1, of which the store has 1\n    operator:${SUSPECT}`);
      expect(plan).toMatch(/nothing was changed; to do all this: --yes$/);
      expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
      expect(await release({ applyRemovals, yes: true })).toContain('policy/p1');
      await expectApplied();
    },
  );

  it('records each removal, with its cause', async () => {
    await release({ applyRemovals: own.at('export'), yes: true });
    const broker = await own.open();
    await broker.trail.integrator.integrate();
    const found: unknown[] = [];
    for (const action of [
      'document.delete',
      'operator-token.revoke',
      'quarantine.create',
    ] as const) {
      const { items } = await broker.trail.reader.search({ action }, { limit: 5 });
      found.push(...items.map(({ entry }) => (JSON.parse(entry) as { cause?: string }).cause));
    }
    expect(found).toEqual(['newer_log', 'newer_log', 'newer_log', 'newer_log']);
    await broker.close('test');
  });

  it('ends all operator tokens if asked to, after a plan', async () => {
    expect(await release({ endOperatorTokens: true })).toMatch(/further operator tokens: 2/);
    await release({ endOperatorTokens: true, yes: true });
    const serving = await own.serve();
    expect([await statusOf(serving, adaToken), await statusOf(serving, admin)]).toEqual([401, 401]);
    admin = await (async () => {
      await serving.stop('test');
      return own.init();
    })();
  });

  it.each([
    [
      'lacks an entry',
      (lines: string[]) => {
        const entries = lines.filter((each) => !each.startsWith('{"delivery":'));
        return lines.filter((each) => each !== entries.at(-2));
      },
    ],
    [
      'has an altered entry',
      (lines: string[]) => lines.map((each) => each.replace('mallory', 'malory')),
    ],
    ['is cut off', (lines: string[]) => lines.slice(0, -3)],
  ])('applies nothing of the file of a sink that %s', async (_what, change) => {
    const path = own.at('sink.jsonl');
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
    await writeFile(path, `${change(lines).join('\n')}\n`);
    await expect(release({ applyRemovals: path, yes: true })).rejects.toMatchObject({
      code: 'ERR_CIPHERTEXT_INVALID',
    });
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
  });

  it.each([
    ['is missing', 'absent', /cannot read .*absent: ENOENT/],
    ['is not a log', 'config.yaml', /config\.yaml is not a log: it is not an export/],
  ])('names the problem of a newer log that %s', async (_what, name, message) => {
    await expect(release({ applyRemovals: own.at(name), yes: true })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringMatching(message),
    });
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
  });

  it('names the problem of a newer log for the list of a restore that is not an export', async () => {
    const { logKey } = await beginLog(own.config, systemClock);
    const identity = logIdentity(own.config.audit.origin, logKey!);
    const since = { checkpoint: '', archive: undefined };
    await expect(newerExport(own.directory, identity, since)).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringMatching(/is not an export of the log: it has no file manifest\.json/),
    });
  });

  it('applies nothing of the log of another installation', async () => {
    const other = await AttackedInstallation.make();
    const token = await other.init();
    const serving = await other.serve();
    const broker = new BrokerClient({ url: serving.url }).as(bearer(token));
    await runAuditExport(other.at('export'), { broker }, { progress: () => undefined });
    broker.close();
    await serving.stop('test');
    await expect(release({ applyRemovals: other.at('export'), yes: true })).rejects.toMatchObject({
      code: 'ERR_CIPHERTEXT_INVALID',
    });
    await other.remove();
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
  });

  it('refuses to apply anything to a store that is not held', async () => {
    await release({});
    await expect(release({ applyRemovals: own.at('export'), yes: true })).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
    });
  });
});
