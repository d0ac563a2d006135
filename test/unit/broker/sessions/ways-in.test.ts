import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { checkAdminRemains } from '../../../../src/broker/documents/check-admin-remains.ts';
import {
  createOperatorToken,
  revokeOperatorToken,
} from '../../../../src/broker/sessions/operator-tokens.ts';
import { WayInWatch } from '../../../../src/broker/sessions/way-in-watch.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { codeOf, TestBroker } from '../../../kit/broker/test-broker.ts';
import { records } from '../../../kit/store/hooked-store.ts';

const HOUR = 3_600_000;
const ADMIN = [{ role: 'admin' }];
const BINDING = { issuer: 'corp', subjects: ['alice'], grants: ADMIN };

let broker: TestBroker;
let root: LiveOperator;

beforeEach(async () => {
  broker = await TestBroker.open();
  root = await broker.operator('root', ADMIN);
});
afterEach(() => broker.close());

const revoke = (live: LiveOperator, by = live) =>
  codeOf(
    revokeOperatorToken(broker.parts, broker.call(), by, {
      operator: live.operator.name,
      id: live.operator.tokenId,
    }),
  );
const mint = (operator: string, body: object = {}) =>
  createOperatorToken(broker.parts, broker.call(), root, { operator, body });
const issuers = () => broker.parts.people.issuers as Map<string, unknown>;
const configure = (): void => void issuers().set('corp', {});

describe('the last way in of an admin', () => {
  it('is not lost with an operator while the token of the other one has expired', async () => {
    await broker.operator('safe', ADMIN, HOUR);
    broker.clock.advance(HOUR);
    expect(await codeOf(broker.remove(root, 'operator', 'root'))).toBe('ERR_CONFLICT');
    const demote = () => broker.put(root, 'operator', 'root', { grants: [{ role: 'auditor' }] });
    expect(await codeOf(demote())).toBe('ERR_CONFLICT');
    await mint('safe', { grants: [{ role: 'auditor' }] });
    expect(await codeOf(demote())).toBe('ERR_CONFLICT');
    await mint('safe');
    expect(await codeOf(broker.remove(root, 'operator', 'root'))).toBe('no error');
  });

  it('does not count tokens of an operator in quarantine', async () => {
    await broker.operator('safe', ADMIN);
    broker.parts.quarantines.covering = (fences) =>
      fences.includes('operator:safe') ? ({ id: 'qua_1' } as never) : undefined;
    expect(await codeOf(broker.remove(root, 'operator', 'root'))).toBe('ERR_CONFLICT');
  });

  it('is not revoked before there is another one, which the same token can create', async () => {
    expect(await revoke(root)).toBe('ERR_CONFLICT');
    const { token } = await mint('root');
    expect(await revoke(root)).toBe('no error');
    const other = (await broker.parts.tokens.find(token, broker.parts.catalog))!;
    expect(await revoke(other)).toBe('ERR_CONFLICT');
  });

  it('is not lost by two revocations at the same moment', async () => {
    const second = await broker.operator('second', ADMIN);
    broker.store.once(records('operator-token.revoke'), () => revoke(second));
    expect(await revoke(root)).toBe('ERR_CONFLICT');
  });

  it('may be a token that is revoked if a role binding gives admin to people', async () => {
    configure();
    await broker.put(root, 'role-binding', 'chiefs', BINDING);
    expect(await revoke(root)).toBe('no error');
  });

  it('is not a role binding of an issuer that is not configured', async () => {
    configure();
    await broker.put(root, 'role-binding', 'chiefs', BINDING);
    issuers().delete('corp');
    expect(await revoke(root)).toBe('ERR_CONFLICT');
  });

  it('is not lost with the last role binding, if no token is left', async () => {
    configure();
    await broker.put(root, 'role-binding', 'chiefs', BINDING);
    const remove = () => {
      const binding = broker.parts.catalog.find('role-binding', 'chiefs');
      return codeOf(checkAdminRemains(broker.parts, binding, undefined));
    };
    expect(await remove()).toBe('no error');
    broker.clock.advance(root.operator.endsAt - broker.clock.now());
    expect(await remove()).toBe('ERR_CONFLICT');
    issuers().delete('corp');
    expect(await remove()).toBe('no error');
  });
});

describe('the watch of the last token with the role admin', () => {
  it('warns in the last tenth of its life, and when there is none', async () => {
    const warned = async (): Promise<readonly string[]> => {
      const watch = new WayInWatch(broker.parts);
      watch.start();
      for (let turns = 0; turns < 20; turns += 1) await new Promise((done) => setImmediate(done));
      const warnings = watch.warnings();
      await watch.stop();
      return warnings;
    };
    await broker.operator('safe', ADMIN, 10 * HOUR);
    broker.clock.advance(9 * HOUR);
    expect(await warned()).toEqual([]);
    expect(await revoke(root)).toBe('no error');
    expect(await warned()).toEqual(['last_admin_token_ending']);
    await broker.operator('new', ADMIN, 10 * HOUR);
    expect(await warned()).toEqual([]);
    broker.clock.advance(10 * HOUR);
    expect(await warned()).toEqual(['last_admin_token_ending']);
  });
});
