import { describeWith } from '../backends/backends.ts';
import { uniqueName } from '../backends/unique-name.ts';
import { awsProviderContract } from './aws-provider.contract.ts';

describeWith(['moto'], 'moto', ({ moto }) => {
  awsProviderContract('moto', () =>
    Promise.resolve({
      endpoint: moto.endpoint,
      base: `${uniqueName('aws')}/`,
      stop: () => Promise.resolve(),
    }),
  );
});
