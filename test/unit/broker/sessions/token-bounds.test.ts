import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createOperatorToken } from '../../../../src/broker/sessions/operator-tokens.ts';
import type { LiveOperator } from '../../../../src/broker/sessions/operator-token-memory.ts';
import { isCovered, parseCidr } from '../../../../src/domain/cidr.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { TestBroker } from '../../../kit/broker-parts.ts';

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
  it('cannot give it a later expiry, and reports its own', async () => {
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

  it('cannot give it wider networks', async () => {
    const bound = await mint(root, { sourceCidrs: ['127.0.0.9/32', '10.0.0.0/9', '10.128.0.0/9'] });
    const wider = [[], ['0.0.0.0/0'], ['127.0.0.8/31'], ['::/0'], ['10.0.0.0/7']];
    for (const sourceCidrs of wider) {
      expect(await refusals(bound, { sourceCidrs })).toEqual(['/sourceCidrs']);
      expect(await refusals(bound, { sourceCidrs }, 'reader')).toEqual(['/sourceCidrs']);
    }
    for (const sourceCidrs of [['127.0.0.9/32'], ['10.0.0.0/8'], ['10.1.0.0/16', '127.0.0.9/32']])
      expect(await refusals(bound, { sourceCidrs })).toEqual([]);
  });

  it('cannot give it more rights of its own operator than it carries', async () => {
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
  ])('for %s by %j is %s', (inner, outer, covered) => {
    const [block] = cidrs([inner]);
    expect(isCovered(block!, cidrs(outer))).toBe(covered);
  });
});
