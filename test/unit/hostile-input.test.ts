import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseQuery } from '../../src/api/query.ts';
import { parsePlace, splitEntries } from '../../src/audit/entry.ts';
import { parseCompactToken } from '../../src/auth/jwt/compact-token.ts';
import { readTokenHeader } from '../../src/auth/jwt/token-header.ts';
import { readPod } from '../../src/auth/pod-watch/observed-pod.ts';
import { readWatchEvent } from '../../src/auth/pod-watch/watch-event.ts';
import { readReviewedUser } from '../../src/auth/token-review/reviewed-user.ts';
import { parseOperatorToken, parseSpec } from '../../src/broker/documents/schema.ts';
import { checkConfig } from '../../src/compose/config/load.ts';
import { decodeBase64 } from '../../src/crypto/base64.ts';
import { readCertificate } from '../../src/crypto/certificate-facts.ts';
import { parseCheckpointText } from '../../src/crypto/checkpoint.ts';
import { parseWitnessKey } from '../../src/crypto/cosignature.ts';
import { openNote, parseVerifierKey } from '../../src/crypto/signed-note.ts';
import { decodeBundle, encodeBundle, parseTilePath } from '../../src/crypto/tiles.ts';
import { parseMode } from '../../src/delivery/files/file-options.ts';
import { parseSecretQuery } from '../../src/delivery/agent/local-api/secret-query.ts';
import { parseCidr } from '../../src/domain/cidr.ts';
import { BrokerError } from '../../src/domain/errors.ts';
import { parseIpAddress } from '../../src/domain/ip-address.ts';
import { parseNewPath, parseSecretPath } from '../../src/domain/names.ts';
import { parseDuration } from '../../src/domain/policy/duration.ts';
import { parsePolicy } from '../../src/domain/policy/index.ts';
import { parseTimeOfDay } from '../../src/domain/time-window.ts';
import { parseWorkloadId, workloadId, workloadOf } from '../../src/domain/workload.ts';
import { parseJson } from '../../src/net/https/parse-json.ts';
import { retryAfterSeconds } from '../../src/net/https/retry-after.ts';
import { parseLocation as parseAwsLocation } from '../../src/providers/aws/secrets/location.ts';
import { parseVersion } from '../../src/providers/embedded/secrets/writes.ts';
import { parseLocation as parseKubernetesLocation } from '../../src/providers/kubernetes/secrets/location.ts';
import { parseHandle as parseMysqlHandle } from '../../src/providers/mysql/credentials/user-handle.ts';
import { parseHandle as parsePostgresHandle } from '../../src/providers/postgres/credentials/role-handle.ts';
import {
  parseCredential,
  parseLeaseSeconds,
  parseOrphanToken,
  parseTokenIntent,
  parseTokenSeconds,
} from '../../src/providers/vault/credentials/answers.ts';
import { parseHandle as parseVaultHandle } from '../../src/providers/vault/credentials/handle.ts';
import { parseLocator } from '../../src/providers/vault/secrets/locators.ts';
import { parseMembers } from '../../src/text/json-members.ts';
import { readOneYaml } from '../../src/text/strict-yaml.ts';
import { parseTraceparent } from '../../src/trace/traceparent.ts';

/** Parsers of texts, each with a text that it accepts, from which hostile ones are made. */
const TEXTS: readonly (readonly [string, (text: string) => unknown, string])[] = [
  ['query of a request', (text) => parseQuery(text, ['limit', 'after']), 'limit=10&after=x%20y'],
  ['audit entry', parsePlace, '{"writer":"w","seq":1,"prev":"00","time":"x"}'],
  ['compact token', parseCompactToken, 'eyJhbGciOiJFUzI1NiJ9.e30.AAAA'],
  ['base64', decodeBase64, 'AAECAw=='],
  ['certificate', readCertificate, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'],
  ['tile path', parseTilePath, 'tile/0/x001/234.p/5'],
  ['file mode', parseMode, '0640'],
  ['query of the agent', parseSecretQuery, '/v1/secrets/app/db?field=password'],
  ['network', parseCidr, '2001:db8::/32'],
  ['address', parseIpAddress, '2001:db8::1'],
  ['new path', parseNewPath, 'team/app/db'],
  ['path', parseSecretPath, 'team/app/db'],
  ['duration', parseDuration, '1h30m'],
  ['time of day', (text) => parseTimeOfDay(text, true), '23:59'],
  ['workload', parseWorkloadId, 'k8s://prod/shop/web'],
  ['Retry-After', (text) => retryAfterSeconds(text, text), 'Fri, 27 Nov 2026 17:00:00 GMT'],
  ['AWS location', parseAwsLocation, 'prod/db#AWSCURRENT'],
  ['Kubernetes location', parseKubernetesLocation, 'prod/secrets/db'],
  ['version', parseVersion, '12'],
  ['handle of MySQL', parseMysqlHandle, '{"label":"a","intent":"b"}'],
  ['handle of PostgreSQL', parsePostgresHandle, '{"label":"a","intent":"b"}'],
  ['handle of Vault', parseVaultHandle, '{"accessor":"a","lease":"b"}'],
  ['locator of Vault', parseLocator, 'secret/data/app/db'],
  ['members of an object', parseMembers, '{"a":1,"b":{"c":[1,2]}}'],
  ['traceparent', parseTraceparent, '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
];

/** Parsers whose callers expect any error: they verify signed texts, and a text that fails is not a signed one. */
const SIGNED: readonly (readonly [string, (text: string) => unknown, string])[] = [
  ['verifier key', parseVerifierKey, 'quaymaster.example/prod+00000000+AAAA'],
  ['witness key', parseWitnessKey, 'witness.example+00000000+BAAA'],
  ['checkpoint', parseCheckpointText, 'quaymaster.example/prod\n12\nAAAA\n'],
  ['signed note', (text) => openNote(text, []), 'text\n\n\u2014 name AAAA\n'],
];

/** Parsers of JSON values that others wrote: answers of backends, documents, configuration. */
const VALUES: readonly (readonly [string, (value: unknown) => unknown])[] = [
  ['pod', readPod],
  ['watch event', readWatchEvent],
  ['reviewed user', (value) => readReviewedUser(value, ['quaymaster'])],
  ['credential of Vault', parseCredential],
  ['lease of Vault', parseLeaseSeconds],
  ['orphan token of Vault', parseOrphanToken],
  ['intent of a Vault token', parseTokenIntent],
  ['seconds of a Vault token', parseTokenSeconds],
  ['operator token', parseOperatorToken],
  ['policy', parsePolicy],
  ['cluster', (value) => parseSpec('cluster', value)],
  ['mount', (value) => parseSpec('mount', value)],
  ['definition', (value) => parseSpec('definition', value)],
  ['operator', (value) => parseSpec('operator', value)],
  ['role binding', (value) => parseSpec('role-binding', value)],
  ['configuration', (value) => checkConfig(value, 'config.yaml')],
];

/** Any text, and the valid text with parts repeated, cut or replaced. */
function hostile(valid: string): fc.Arbitrary<string> {
  const mutated = fc
    .record({
      at: fc.nat(valid.length),
      cut: fc.nat(8),
      into: fc.oneof(fc.string({ unit: 'binary', maxLength: 12 }), fc.constant('\u0000')),
      times: fc.nat(40),
    })
    .map(
      ({ at, cut, into, times }) => valid.slice(0, at) + into.repeat(times) + valid.slice(at + cut),
    );
  return fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), mutated);
}

/** Runs the parser. Every failure must be the broker's own error, which has a code and discloses nothing. */
function parses(parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    expect(error).toBeInstanceOf(BrokerError);
  }
}

describe('hostile input', () => {
  it.each(TEXTS)('%s: is parsed or refused with an error of the broker', (_what, parse, valid) => {
    fc.assert(fc.property(hostile(valid), (text) => parses(() => parse(text))));
  });

  it.each(SIGNED)('%s: is opened or refused', (_what, parse, valid) => {
    fc.assert(
      fc.property(hostile(valid), (text) => {
        try {
          parse(text);
        } catch (error) {
          expect(error).toMatchObject({ message: expect.any(String) });
          // A bug in the parser, not a refusal.
          expect(error).not.toMatchObject({ name: 'TypeError' });
        }
      }),
    );
  });

  it.each(VALUES)('%s: is parsed or refused with an error of the broker', (_what, parse) => {
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 5 }),
      fc.dictionary(
        fc.constantFrom('__proto__', 'constructor', 'metadata', 'spec', 'data', 'auth', 'status'),
        fc.jsonValue({ maxDepth: 3 }),
      ),
    );
    fc.assert(fc.property(value, (each) => parses(() => parse(each))));
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it('bytes are JSON, a token header or a bundle, or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        parses(() => parseJson(bytes));
        parses(() => readTokenHeader(bytes));
        parses(() => splitEntries(bytes));
      }),
    );
  });

  it('YAML is read or refused with positions, and never throws', async () => {
    const valid = 'store: { type: sqlite, path: /a }\nlist: [1, &a 2, *a]\n';
    await fc.assert(
      fc.asyncProperty(hostile(valid), async (text) => {
        const read = await readOneYaml(text, { allowAliases: true });
        if ('problems' in read) expect(read.problems.length).toBeGreaterThan(0);
      }),
    );
  });
});

describe('an encoding is decoded to the same value', () => {
  it('bundles of entries', () => {
    const entries = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 20 });
    fc.assert(
      fc.property(entries, (each) => {
        const read = decodeBundle(encodeBundle(each)).map((entry) => Buffer.from(entry));
        expect(read).toEqual(each.map((entry) => Buffer.from(entry)));
      }),
    );
  });

  it('names of workloads', () => {
    const segment = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,10}$/);
    fc.assert(
      fc.property(segment, segment, segment, (cluster, namespace, account) => {
        const id = `k8s://${cluster}/${namespace}/${account}`;
        const parsed = parseWorkloadId(id);
        expect(parsed && workloadId(workloadOf(parsed))).toBe(id);
      }),
    );
  });
});
