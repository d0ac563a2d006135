import { expect, it } from '@jest/globals';
import { prepareRequest } from '../../../src/client/prepared-request.ts';
import { WorkloadSession, type BrokerClient } from '../../../src/client/index.ts';

it.each(['readSecrt', 'toString', '__proto__'])(
  'refuses the operation %s, which the contract does not have',
  (id) => {
    expect(() => prepareRequest(id as never, {})).toThrow(
      `there is no operation "${id}"; openapi.yaml lists all operationIds`,
    );
  },
);

it('refuses a call without the body that its operation needs', () => {
  expect(() => prepareRequest('readSecrets', {})).toThrow(/^readSecrets needs a body/);
  expect(prepareRequest('readHealth').body).toBeUndefined();
});

it('logs in and renews with the token of a file that ends with a newline', async () => {
  const bodies: unknown[] = [];
  const client = {
    call: (_id: string, { body }: { readonly body: unknown }) => {
      bodies.push(body);
      const session = { endsAt: '2026-01-05T10:00:00Z' };
      return Promise.resolve({
        body: { token: 'qms_x', session, now: session.endsAt },
        headers: {},
      });
    },
    as: () => client,
    clock: { now: () => 0 },
  };
  const session = await WorkloadSession.logIn(client as unknown as BrokerClient, {
    cluster: 'c1',
    token: 'eyJ.token\n',
  });
  await session.renew('eyJ.next\r\n');
  expect(bodies).toEqual([{ cluster: 'c1', token: 'eyJ.token' }, { token: 'eyJ.next' }]);
});
