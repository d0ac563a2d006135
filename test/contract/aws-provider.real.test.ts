import { describeWith } from '../kit/backends/backends.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { awsFixture } from '../kit/aws/aws-fixture.ts';
import { awsProviderContract } from './aws-provider.contract.ts';
import { secretProviderContract } from './secret-provider.contract.ts';

/** moto lists in the order of creation, whatever the requested order; AWS sorts by name. Created in name order, both agree. */
const LISTED = ['list/a', 'list/b', 'list/c', 'list/c-1', 'list/c/d', 'list/c/e', 'list/z'];

describeWith(['moto'], 'moto', ({ moto }) => {
  awsProviderContract('moto', () =>
    Promise.resolve({
      endpoint: moto.endpoint,
      base: `${uniqueName('aws')}/`,
      stop: () => Promise.resolve(),
    }),
  );
  secretProviderContract('AWS Secrets Manager on moto', async () => {
    const fixture = await awsFixture(moto.endpoint, `${uniqueName('aws')}/`);
    for (const name of LISTED) await fixture.put(name, { key: 'value' });
    return fixture;
  });
});
