import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { sha256Hex } from '../../../../src/crypto/hashes/digest.ts';
import {
  encodeActor,
  encodeClient,
  encodeEvent,
  type AuditEvent,
} from '../../../../src/domain/audit/audit-event.ts';
import { createBoot } from '../../../kit/log/created-boot.ts';
import { createChain } from '../../../../src/audit/chain/chain.ts';
import { LONGEST_ENTRY, splitEntries } from '../../../../src/audit/records/entry.ts';
import { entryTerms, scanEntry } from '../../../../src/audit/log/entry-scan.ts';
import { queryTerms } from '../../../../src/audit/log/entry-query.ts';
import { generateSigningKey } from '../../../../src/crypto/signatures/signing.ts';
import { accountId } from '../../../../src/domain/identity/workload.ts';
import { body, startBody, SYSTEM } from '../../../kit/log/log-bench.ts';

const { strings } = JSON.parse(
  readFileSync('test/vectors/audit-log-v1-naughty-strings.json', 'utf8'),
) as { strings: string[] };

const NASTY = [
  ...strings,
  '\n{"type":"x"}',
  '\r\n',
  '\u001b[2J',
  '\u2028\u2029',
  '\u009b31m',
  '\u202e\u2066',
  '\ud800',
  '\udfff\ud800',
  '\u0000',
  '\u007f',
  '"},"action":"x","path":"y',
  '\\',
  '\\"',
  '","path":"forged',
  'x'.repeat(65_536),
  '\u0001'.repeat(65_536),
  '\ud83d\ude00'.repeat(400),
];

function nastyEvent(text: string): AuditEvent {
  const workload = {
    cluster: text,
    namespace: text,
    serviceAccount: text,
    serviceAccountUid: text,
    pod: { name: text, uid: text },
    node: { name: text, uid: text },
  };
  return {
    time: 0,
    requestId: text,
    actor: encodeActor({ kind: 'workload', workload, session: text }, sha256Hex),
    action: 'secret.read',
    outcome: 'deny',
    code: 'ERR_DENIED',
    reason: text,
    client: encodeClient(
      { address: text, userAgent: text, requestId: text, method: text, target: text },
      sha256Hex,
    ),
    path: text,
    version: text,
    mount: text,
    lease: text,
    fingerprint: text,
    policy: { name: text, version: 1, rule: text },
  };
}

describe('an audit entry', () => {
  it('is one parsable line of printable ASCII for any text in it (A01, A06)', () => {
    expect(strings.length).toBeGreaterThanOrEqual(515);
    const boot = createBoot(generateSigningKey(), 0);
    const bodies = NASTY.map((text) => encodeEvent(nastyEvent(text), sha256Hex));
    const { entries } = createChain(boot).stage([startBody(boot), ...bodies]);
    const text = Buffer.from(entries).toString('latin1');
    expect(text).toMatch(/^[ -~\n]*$/);
    const lines = text.trimEnd().split('\n');
    expect(lines).toHaveLength(NASTY.length + 1);
    lines.slice(1).forEach((line, i) => {
      expect(line.length).toBeLessThanOrEqual(LONGEST_ENTRY);
      const entry = JSON.parse(line) as Record<string, unknown>;
      expect(entry['seq']).toBe(i + 2);
      expect(entry['action']).toBe('secret.read');
      const given = NASTY[i] ?? '';
      if (given.length <= 100) expect(entry['path']).toBe(given);
    });
  });

  it('keeps the beginning, the length and the digest of a text that is too long', () => {
    const long = 'y'.repeat(65_536);
    const { path } = JSON.parse(body({ path: long })) as { path: string };
    expect(path).toBe(`${'y'.repeat(512)}...[65536 characters, sha256 ${sha256Hex(long)}]`);
  });

  it('is found by exactly its texts, read by position and by a JSON parser', () => {
    for (const text of NASTY) {
      const scan = scanEntry(
        `{"writer":"w","seq":1,"prev":"0",${encodeEvent(nastyEvent(text), sha256Hex).slice(1)}`,
      );
      if (scan === undefined) throw new Error(`not scanned: ${text}`);
      const has = entryTerms(scan).map(({ kind, term }) => `${kind} ${term}`);
      const wanted = queryTerms({
        workload: accountId({ cluster: text, namespace: text, serviceAccount: text }),
        cluster: text,
        namespace: text,
        pod: text,
        path: text,
        action: 'secret.read',
        outcome: 'deny',
        code: 'ERR_DENIED',
        version: text,
        lease: text,
        session: text,
        requestId: text,
        fingerprint: text,
      });
      for (const { kind, term } of wanted) expect(has).toContain(`${kind} ${term}`);
    }
  });

  it('writes every fact of the union in the order of the specification', () => {
    const text = encodeEvent(
      {
        time: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
        requestId: 'req_1',
        actor: encodeActor({ kind: 'operator', operator: 'ada', token: 'tok_1' }, sha256Hex),
        action: 'lease.revoke',
        outcome: 'ok',
        lease: 'lea_1',
        path: 'a/b',
        version: '2',
        mount: 'a',
        session: 'ses_1',
        workload: 'k8s://c/n/s',
        pod: { cluster: 'c', namespace: 'n', name: 'p', uid: 'u' },
        credential: 'cre_1',
        cause: 'revoked',
        count: 3,
        endsAt: 0,
      },
      sha256Hex,
    );
    expect(text).toBe(
      '{"time":"2026-01-02T03:04:05.006Z","requestId":"req_1",' +
        '"actor":{"kind":"operator","id":"ada","token":"tok_1"},"action":"lease.revoke","outcome":"ok",' +
        '"path":"a/b","version":"2","mount":"a","lease":"lea_1","credential":"cre_1","session":"ses_1",' +
        '"workload":"k8s://c/n/s","cause":"revoked",' +
        '"pod":{"cluster":"c","namespace":"n","name":"p","uid":"u"},"count":3,"endsAt":"1970-01-01T00:00:00.000Z"}',
    );
  });

  it('names system actors and unauthenticated callers', () => {
    expect(SYSTEM).toBe('"actor":{"kind":"system","id":"broker"}');
    expect(encodeActor({ kind: 'unauthenticated' }, sha256Hex)).toBe(
      '"actor":{"kind":"unauthenticated"}',
    );
  });
});

describe('the chain of a boot', () => {
  const boot = createBoot(generateSigningKey(), 0);

  it('refuses a first entry other than the announcement of its key', () => {
    expect(() => createChain(boot).stage([body({})])).toThrow(
      expect.objectContaining({ code: 'ERR_AUDIT_UNAVAILABLE' }),
    );
  });

  it('reuses the index of a dropped entry, and continues after a kept one', () => {
    const chain = createChain(boot);
    const first = chain.stage([startBody(boot)]);
    chain.drop();
    expect(chain.stage([startBody(boot)])).toEqual(first);
    chain.keep();
    const second = chain.stage([body({}), body({})]);
    expect(second).toMatchObject({ first_seq: 2, count: 2 });
    const [entry = ''] = splitEntries(second.entries);
    const head = Buffer.from(first.head).toString('hex');
    expect(JSON.parse(entry)).toMatchObject({ writer: boot.writer, seq: 2, prev: head });
  });

  it('refuses an entry that fits no bundle', () => {
    const chain = createChain(boot);
    expect(() => chain.stage([startBody(boot), `{"time":"${'x'.repeat(65_536)}"}`])).toThrow(
      expect.objectContaining({ code: 'ERR_AUDIT_UNAVAILABLE' }),
    );
  });
});
