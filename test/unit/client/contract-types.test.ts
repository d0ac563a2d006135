import { describe, expect, it } from '@jest/globals';
import { BrokerClient, type ItemOf, type PagedId } from '../../../src/client/index.ts';

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

/** Never runs: `npm run check:types` fails if the contract's types are wrong. */
export async function typed(client: BrokerClient): Promise<void> {
  await client.call('readHealth');
  await client.call('readSecret', { path: { path: 'a/b' }, query: { version: '1' } });
  // @ts-expect-error -- it has no body
  await client.call('readSecret', { path: { path: 'a' }, body: {} });
  // @ts-expect-error -- a batch needs a body
  await client.call('readSecrets', {});
  // @ts-expect-error -- this operation has no such parameter
  await client.call('readSecret', { path: { path: 'a' }, query: { versions: '1' } });
  // @ts-expect-error -- an order needs a key
  await client.call('issueCredential', { path: { path: 'a' }, body: {} });
  // @ts-expect-error -- a stream is not a call
  await client.call('followEvents', {});
  // @ts-expect-error -- no list
  client.pages('readSecret', { path: { path: 'a' } });
  const { body } = await client.call('readTile', { path: { path: '0/000' } });
  const bytes: Uint8Array = body;
  const nothing: undefined = (await client.call('endSession')).body;
  const paged: Same<
    PagedId,
    | 'listSecrets'
    | 'listRotations'
    | 'readRotationHistory'
    | 'listSessions'
    | 'listAlerts'
    | 'listResponseRules'
    | 'listLeases'
    | 'listRevocations'
    | 'listAttestations'
    | 'listRoleBindings'
    | 'listPostureProfiles'
    | 'surveyPosture'
    | 'listEvidence'
    | 'listPolicies'
    | 'listClusters'
    | 'listMounts'
    | 'listDefinitions'
    | 'listOperators'
    | 'searchAudit'
    | 'listReceivers'
  > = true;
  const item: Same<ItemOf<'listSecrets'>['path'], string> = true;
  expect([bytes, nothing, paged, item]).toHaveLength(4);
}

describe('a call', () => {
  it('is refused before it is sent without a path parameter that the compiler requires', async () => {
    const client = new BrokerClient({ url: 'http://127.0.0.1:9' });
    // @ts-expect-error -- a path is required
    const call = client.call('readSecret', {});
    await expect(call).rejects.toThrow(TypeError);
  });
});
