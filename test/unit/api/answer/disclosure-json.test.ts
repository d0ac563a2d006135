import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { disclosureJson, listJson } from '../../../../src/api/answer/disclosure-json.ts';
import { ByteText } from '../../../../src/domain/words/byte-text.ts';

const value = (data: object, version: string) => ({
  json: Buffer.from(JSON.stringify(data)),
  version,
  fingerprint: 'f',
  fieldFingerprints: undefined,
  createdAt: Date.UTC(2026, 0, 1),
  locator: undefined,
  stale: false,
});

describe('an answer with values', () => {
  const data = { user: 'émile', key: '鍵🔑' };
  const disclosure = {
    path: 'payments/db',
    value: value(data, 'v-ü'),
    lease: undefined,
    warning: 'pod “web” runs as root',
  };
  const expected = {
    path: 'payments/db',
    version: 'v-ü',
    data,
    createdAt: '2026-01-01T00:00:00.000Z',
    warning: 'pod “web” runs as root',
  };

  it('is UTF-8, also for a version and a warning beyond ASCII', () => {
    const answer = disclosureJson(disclosure);
    expect(JSON.parse(answer.bytes().toString())).toEqual(expected);
    expect(answer).toHaveLength(answer.bytes().length);
  });

  it('prints without its values', () => {
    const answer = disclosureJson(disclosure);
    expect([inspect({ answer }), JSON.stringify({ answer })].join()).not.toContain('payments');
  });

  it('lists several in order', () => {
    const failure = ByteText.of('{"path":"pfad/ö"}');
    const list = listJson('items', [disclosureJson(disclosure), failure]);
    expect(JSON.parse(list.bytes().toString())).toEqual({
      items: [expected, { path: 'pfad/ö' }],
    });
    expect(listJson('items', []).latin1).toBe('{"items":[]}');
  });
});
