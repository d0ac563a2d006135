import { FakeAws } from '../fakes/fake-aws.ts';
import { awsProviderContract } from './aws-provider.contract.ts';

awsProviderContract('the fake', async () => {
  const fake = await FakeAws.start();
  return { endpoint: fake.endpoint, base: 'prod/', stop: () => fake.close() };
});
