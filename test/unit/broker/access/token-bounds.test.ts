import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  createOperatorToken,
  revokeOperatorToken,
} from '../../../../src/broker/sessions/operator-tokens.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { isCovered, parseCidr } from '../../../../src/domain/network/cidr.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { allRows } from '../../../../src/ports/queries.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';
import { records } from '../../../kit/store/hooked-store.ts';

let broker: TestBroker;
let root: LiveOperator;

beforeEach(async () => {
  broker = await TestBroker.open();
  root = await broker.operator('root', [{ role: 'admin' }, { role: 'secret-reader' }]);
  await broker.operator('reader', [{ role: 'secret-reader' }]);
});
afterEach(() => broker.close());

async function mint(by: LiveOperator, body: object, operator = 'root'): Promise<LiveOperator> {
  const { parts } = broker;
  const { token } = await createOperatorToken(parts, broker.call(), by, { operator, body });
  return (await parts.tokens.find(token, parts.catalog))!;
}

async function refusals(by: LiveOperator, body: object, operator = 'root'): Promise<unknown> {
  return mint(by, body, operator).then(
    () => [],
    (error: unknown) => {
      const { code, reason, problems = [] } = BrokerError.from(error);
      expect({ code, reason }).toEqual({ code: 'ERR_BODY_INVALID', reason: 'token_bound' });
      return problems.map(({ pointer }) => pointer);
    },
  );
}

describe('a token that creates another', () => {
  it('cannot give it a later expiry, and reports its own (ED04)', async () => {
    const short = await mint(root, { ttl: '10m' });
    expect(await refusals(short, { ttl: '365d' })).toEqual(['/ttl']);
    expect(await refusals(short, { ttl: '11m' }, 'reader')).toEqual(['/ttl']);
    expect(await refusals(short, { ttl: '10m' })).toEqual([]);
    const end = new Date(short.operator.endsAt).toISOString();
    await expect(mint(short, { ttl: '11m' })).rejects.toMatchObject({
      problems: [{ message: expect.stringContaining(end) as unknown }],
    });
  });

  it('gives one without a ttl one hour, or its own expiry', async () => {
    const now = broker.clock.now();
    expect((await mint(root, {})).operator.endsAt).toBe(now + 3_600_000);
    const short = await mint(root, { ttl: '10m' });
    expect((await mint(short, {})).operator.endsAt).toBe(short.operator.endsAt);
  });

  it('cannot give it wider networks (ED04)', async () => {
    const bound = await mint(root, { sourceCidrs: ['127.0.0.9/32', '10.0.0.0/9', '10.128.0.0/9'] });
    const wider = [[], ['0.0.0.0/0'], ['127.0.0.8/31'], ['::/0'], ['10.0.0.0/7']];
    for (const sourceCidrs of wider) {
      expect(await refusals(bound, { sourceCidrs })).toEqual(['/sourceCidrs']);
      expect(await refusals(bound, { sourceCidrs }, 'reader')).toEqual(['/sourceCidrs']);
    }
    for (const sourceCidrs of [['127.0.0.9/32'], ['10.0.0.0/8'], ['10.1.0.0/16', '127.0.0.9/32']])
      expect(await refusals(bound, { sourceCidrs })).toEqual([]);
  });

  it('cannot give it more rights of its own operator than it carries (ED04)', async () => {
    const narrow = await mint(root, { grants: [{ role: 'admin' }] });
    const reads = { grants: [{ role: 'secret-reader', scope: ['app'] }] };
    expect(await refusals(narrow, {})).toEqual(['/grants']);
    expect(await refusals(narrow, reads)).toEqual(['/grants']);
    expect(await refusals(narrow, { grants: [{ role: 'auditor' }] })).toEqual([]);
    expect(await refusals(narrow, {}, 'reader')).toEqual([]);
  });

  it('cannot escape a bound in two steps', async () => {
    const first = await mint(root, { ttl: '10m', sourceCidrs: ['127.0.0.0/24'] });
    const second = await mint(first, { ttl: '10m', sourceCidrs: ['127.0.0.9/32'] });
    expect(await refusals(second, { ttl: '365d' })).toEqual(['/ttl', '/sourceCidrs']);
  });
});

describe('a stolen token with every bound', () => {
  const BOUNDS = { ttl: '10m', sourceCidrs: ['127.0.0.9/32'], grants: [{ role: 'admin' }] };
  const kept = { ttl: '10m', sourceCidrs: ['127.0.0.9/32'], grants: [{ role: 'admin' }] };

  it.each<[string, object]>([
    ['a later expiry', { ...kept, ttl: '365d' }],
    ['an expiry one second later', { ...kept, ttl: '601s' }],
    ['a lifetime of no length', { ...kept, ttl: '0s' }],
    ['a negative lifetime', { ...kept, ttl: '-1s' }],
    ['a lifetime beyond every number', { ...kept, ttl: `${'9'.repeat(30)}s` }],
    ['a lifetime that is a number', { ...kept, ttl: 1e12 }],
    ['a lifetime with a blank', { ...kept, ttl: '10m ' }],
    ['an expiry as a time', { ...kept, endsAt: '2999-01-01T00:00:00Z' }],
    ['no networks', { ...kept, sourceCidrs: undefined }],
    ['an empty list of networks', { ...kept, sourceCidrs: [] }],
    ['a wider network', { ...kept, sourceCidrs: ['127.0.0.8/31'] }],
    ['a neighbour', { ...kept, sourceCidrs: ['127.0.0.9/32', '127.0.0.8/32'] }],
    ['all addresses, mapped', { ...kept, sourceCidrs: ['::ffff:0.0.0.0/96'] }],
    ['a neighbour, mapped', { ...kept, sourceCidrs: ['::ffff:127.0.0.8/127'] }],
    ['all of IPv6', { ...kept, sourceCidrs: ['127.0.0.9/32', '::/0'] }],
    ['a network with bits behind its length', { ...kept, sourceCidrs: ['127.0.0.9/8'] }],
    ['an address in octal', { ...kept, sourceCidrs: ['0177.0.0.011/32'] }],
    ['an address without a length', { ...kept, sourceCidrs: ['127.0.0.9'] }],
    ['a network in fullwidth digits', { ...kept, sourceCidrs: ['\uFF11\uFF12\uFF17.0.0.9/32'] }],
    ['all of its operator', { ...kept, grants: undefined }],
    ['another role of its operator', { ...kept, grants: [{ role: 'secret-reader' }] }],
    [
      'another role beside its own',
      { ...kept, grants: [{ role: 'admin' }, { role: 'secret-reader', scope: ['app'] }] },
    ],
    ['a role in another case', { ...kept, grants: [{ role: 'Secret-Reader' }] }],
    ['unknown fields', { ...kept, operator: 'reader' }],
  ])('creates none with %s (ED04)', async (_what, body) => {
    const stolen = await mint(root, BOUNDS);
    const failed = await mint(stolen, body).then(
      () => 'no error',
      (error: unknown) => BrokerError.from(error).code,
    );
    expect(failed).toMatch(/^ERR_(BODY_INVALID|UNKNOWN_FIELD)$/);
    expect(await broker.store.count(allRows('operator_tokens'))).toBe(3);
  });

  it('creates none after its end, or after it was revoked while it did (ED04)', async () => {
    const { parts } = broker;
    const stolen = await mint(root, BOUNDS);
    const { name: operator, tokenId: id } = stolen.operator;
    broker.store.once(records('operator-token.create'), () =>
      revokeOperatorToken(parts, broker.call(), root, { operator, id }),
    );
    await expect(mint(stolen, kept)).rejects.toThrow();
    const second = await mint(root, BOUNDS);
    broker.clock.advance(600_000);
    await expect(mint(second, kept)).rejects.toThrow();
  });
});

describe('the cover of a network', () => {
  const cidrs = (texts: readonly string[]) => texts.map((text) => parseCidr(text)!);

  it.each<[string, string[], boolean]>([
    ['10.0.0.0/8', ['10.0.0.0/8'], true],
    ['10.0.0.0/8', ['0.0.0.0/0'], true],
    ['10.0.0.0/8', ['10.0.0.0/9'], false],
    ['10.0.0.0/8', ['10.0.0.0/9', '10.128.0.0/9'], true],
    ['10.0.0.0/8', ['10.0.0.0/9', '10.128.0.0/10', '10.192.0.0/10'], true],
    ['10.0.0.0/8', ['10.0.0.0/9', '10.128.0.0/10', '10.192.0.0/11'], false],
    ['0.0.0.0/0', ['0.0.0.0/1', '128.0.0.0/1'], true],
    ['10.0.0.0/31', ['10.0.0.0/32', '10.0.0.1/32'], true],
    ['10.0.0.1/32', ['10.0.0.0/32'], false],
    ['2001:db8::/32', ['2001:db8::/33', '2001:db8:8000::/33'], true],
    ['2001:db8::/32', ['2001:db8::/33', '2001:db8:4000::/34'], false],
    ['::/0', ['::/1', '8000::/1'], true],
    ['::/0', ['0.0.0.0/0'], false],
    ['10.0.0.0/8', ['::/0'], false],
    ['::ffff:10.0.0.0/104', ['10.0.0.0/8'], true],
    ['10.0.0.0/8', ['::ffff:10.0.0.0/104'], true],
    ['10.0.0.0/8', [], false],
  ])('decides %s by %j: %s', (inner, outer, covered) => {
    const [block] = cidrs([inner]);
    expect(isCovered(block!, cidrs(outer))).toBe(covered);
  });
});
