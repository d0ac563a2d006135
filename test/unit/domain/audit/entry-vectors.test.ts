import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { sha256Hex } from '../../../../src/crypto/hashes/digest.ts';
import {
  encodeActor,
  encodeClient,
  encodeEvent,
  encodeLocator,
  encodeRefusal,
  encodeRefusedClient,
  type AuditEvent,
  type ClientFacts,
} from '../../../../src/domain/audit/audit-event.ts';

interface EntryVector {
  readonly name: string;
  readonly refusal: boolean;
  readonly client: ClientFacts;
  readonly locator?: readonly [kind: string, place: string];
  readonly event: object;
  readonly body: string;
}

const entries = ['audit-entries-v1', 'audit-entries-face-v1'].flatMap((name) => {
  const vectors = JSON.parse(readFileSync(`test/vectors/${name}.json`, 'utf8')) as {
    readonly entries: readonly EntryVector[];
  };
  return vectors.entries;
});
const actor = encodeActor({ kind: 'operator', operator: 'ada', token: 'tok_1' }, sha256Hex);

function encoded({ refusal, client, locator, event }: EntryVector): string {
  const whole = {
    time: 1_767_323_045_678,
    requestId: 'req_1',
    actor,
    ...event,
    client: (refusal ? encodeRefusedClient : encodeClient)(client, sha256Hex),
    ...(locator && { locator: encodeLocator(...locator, sha256Hex) }),
  } as AuditEvent;
  return (refusal ? encodeRefusal : encodeEvent)(whole, sha256Hex);
}

describe('the body of an entry', () => {
  it.each(entries)('equals the vector byte for byte: $name', (vector) => {
    expect(encoded(vector)).toBe(vector.body);
  });

  it('is a bounded line of printable ASCII for a refusal with any text in it', () => {
    const texts = ['\u0001'.repeat(9_000), '\ud83d\ude00'.repeat(400), '"\\'.repeat(300), '\ud800'];
    for (const text of texts) {
      const body = encoded({
        name: '',
        refusal: true,
        body: '',
        client: { address: '10.0.0.1', userAgent: text, requestId: text, target: text },
        event: { action: 'secret.read', outcome: 'deny', path: text, version: text },
      });
      expect(body).toMatch(/^[ -~]+$/);
      expect(body.length).toBeLessThan(1_700);
      expect(JSON.parse(body)).toMatchObject({ outcome: 'deny' });
    }
  });
});
