import type { SecretProvider } from '../../../src/ports/secret-provider.ts';
import { awsFault, FakeAws } from '../fakes/fake-aws.ts';
import { connect, setCredentials } from './aws-connection.ts';
import { AwsOperator } from '../../contract/aws-provider.contract.ts';
import type { ProviderFixture } from '../../contract/secret-provider.contract.ts';

/** A server with the AWS Secrets Manager API, set up for the contract suite of all providers; `base` is a unique name prefix. */
export async function awsFixture(endpoint: string, base: string): Promise<ProviderFixture> {
  setCredentials();
  const operator = new AwsOperator(endpoint);
  const [refusing, silent] = [await FakeAws.start(), await FakeAws.start()];
  refusing.always(awsFault('AccessDeniedException', 'AccessDenied: not allowed'));
  silent.always('hang');
  const connections = await Promise.all(
    [endpoint, refusing.endpoint, silent.endpoint].map((at) => connect(at)),
  );
  const [provider, denied, mute] = connections.map((connection) =>
    connection.mount({ namePrefix: base }),
  ) as [SecretProvider, SecretProvider, SecretProvider];
  const known = new Set<string>();
  const put = async (name: string, data: Readonly<Record<string, string>>): Promise<void> => {
    const text = JSON.stringify(data);
    await (known.has(name) ? operator.put(base + name, text) : operator.create(base + name, text));
    known.add(name);
  };
  return {
    provider,
    denied,
    silent: mute,
    put,
    remove: (name) => operator.remove(base + name),
    async close() {
      operator.close();
      await Promise.all(connections.map((connection) => connection.close()));
      await Promise.all([refusing.close(), silent.close()]);
    },
  };
}
